/*
 * Compiles upstream's pollers of descriptors with another way to tell of an error.
 *
 * The text of an archive's answer has a length and no zero behind it. Where the answer is to another request than the one that waits, they
 * give the text's beginning to what takes a string, and the error handler is told what lies behind the answer too. Here it is given a copy.
 */
#include <string.h>

#include "aeron_archive.h"
#include "aeron_archive_context.h"
#include "util/aeron_error.h"

static void aeron_sys_invoke_error_handler(
    aeron_archive_context_t *context, int64_t correlation_id, int32_t error_code, const char *text, size_t length)
{
    char copy[AERON_ERROR_MAX_TOTAL_LENGTH];
    const size_t copied = length < sizeof(copy) ? length : sizeof(copy) - 1;
    if (0 < copied)
    {
        memcpy(copy, text, copied);
    }
    copy[copied] = '\0';
    aeron_archive_context_invoke_error_handler(context, correlation_id, error_code, copy);
}

/* Where they call it, the text is in `string_view`. */
#define aeron_archive_context_invoke_error_handler(context, correlation_id, error_code, text) \
    aeron_sys_invoke_error_handler(context, correlation_id, error_code, text, string_view.length)

#include "aeron_archive_recording_descriptor_poller.c"
#include "aeron_archive_recording_subscription_descriptor_poller.c"
