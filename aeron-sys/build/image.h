/*
 * Included before upstream's aeron_image.c: a poll never leaves the term that it reads.
 *
 * Upstream believes the length of every frame. The driver checks each packet that it receives by itself, so a sender whose packets overlap can
 * put any number where the next frame begins: a handler is then given more bytes than the log has, or the poll goes on outside the log. Here such
 * a frame counts as one that has not arrived.
 */
#ifndef AERON_SYS_IMAGE_H
#define AERON_SYS_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

/* All that aeron_image.c includes: what they define is compiled as upstream has it. */
#include "aeron_alloc.h"
#include "aeron_image.h"
#include "aeron_log_buffer.h"
#include "aeron_subscription.h"

/* There is room for a header in the frame, and for the frame in what is left of the term. Upstream's own look at the length is none then. */
#define AERON_SYS_LOOK_AT_frame_length \
    if (frame_length < (int32_t)AERON_DATA_HEADER_LENGTH || \
        frame_length > capacity - (int32_t)((const uint8_t *)frame - term_buffer)) \
    { \
        frame_length = 0; \
    } \
    else if (frame_length <= 0) \
    { \
        __builtin_unreachable(); \
    }

/* What else the file loads. */
#define AERON_SYS_LOOK_AT_image (void)image
#define AERON_SYS_LOOK_AT_is_closed
#define AERON_SYS_LOOK_AT_end_of_stream_position
#define AERON_SYS_LOOK_AT_subscriber_position
#define AERON_SYS_LOOK_AT_active_transport_count
#define AERON_SYS_LOOK_AT_is_publication_revoked

#undef AERON_GET_ACQUIRE
#define AERON_GET_ACQUIRE(dst, src) \
    do \
    { \
        dst = __atomic_load_n(&(src), __ATOMIC_ACQUIRE); \
        AERON_SYS_LOOK_AT_##dst; \
    } \
    while (false)

#endif
