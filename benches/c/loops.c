/* What a C program would do by hand: the measure of the Rust loops beside it. Each returns 0, or a negative result of Aeron. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "aeronc.h"

#define FRAGMENT_LIMIT 50
#define SESSION_HEADER_LENGTH 32

typedef struct
{
    int64_t messages;
    uint64_t sum;
    int64_t position;
}
bench_seen_t;

static aeron_controlled_fragment_handler_action_t on_message(
    void *clientd, const uint8_t *buffer, size_t length, aeron_header_t *header)
{
    bench_seen_t *seen = clientd;
    uint64_t first;
    memcpy(&first, buffer, sizeof(first));
    seen->messages++;
    seen->sum += first + length;
    seen->position = aeron_header_position(header);
    return AERON_ACTION_CONTINUE;
}

int64_t bench_poll(aeron_image_t *image, int64_t limit, int64_t messages, int64_t *sum)
{
    bench_seen_t seen = { 0 };
    while (seen.messages < messages)
    {
        int polled = aeron_image_bounded_controlled_poll(image, on_message, &seen, limit, FRAGMENT_LIMIT);
        if (polled < 0)
        {
            return polled;
        }
    }
    *sum += (int64_t)(seen.sum + (uint64_t)seen.position);
    return 0;
}

/* Offers and claims are refused once at the end of a term; anything else ends the loop. */
#define SEND(messages, attempt) \
    for (int64_t i = 0; i < (messages);) \
    { \
        int64_t result = (attempt); \
        if (result >= 0) \
        { \
            i++; \
        } \
        else if (AERON_PUBLICATION_ADMIN_ACTION != result) \
        { \
            return result; \
        } \
    } \
    return 0

int64_t bench_offer(aeron_publication_t *publication, const uint8_t *message, size_t length, int64_t messages)
{
    SEND(messages, aeron_publication_offer(publication, message, length, NULL, NULL));
}

int64_t bench_exclusive_offer(
    aeron_exclusive_publication_t *publication, const uint8_t *message, size_t length, int64_t messages)
{
    SEND(messages, aeron_exclusive_publication_offer(publication, message, length, NULL, NULL));
}

static int64_t claim(aeron_publication_t *publication, const uint8_t *message, size_t length)
{
    aeron_buffer_claim_t claim;
    int64_t result = aeron_publication_try_claim(publication, length, &claim);
    if (result >= 0)
    {
        memcpy(claim.data, message, length);
        aeron_buffer_claim_commit(&claim);
    }
    return result;
}

int64_t bench_claim(aeron_publication_t *publication, const uint8_t *message, size_t length, int64_t messages)
{
    SEND(messages, claim(publication, message, length));
}

static int64_t exclusive_claim(aeron_exclusive_publication_t *publication, const uint8_t *message, size_t length)
{
    aeron_buffer_claim_t claim;
    int64_t result = aeron_exclusive_publication_try_claim(publication, length, &claim);
    if (result >= 0)
    {
        memcpy(claim.data, message, length);
        aeron_buffer_claim_commit(&claim);
    }
    return result;
}

int64_t bench_exclusive_claim(
    aeron_exclusive_publication_t *publication, const uint8_t *message, size_t length, int64_t messages)
{
    SEND(messages, exclusive_claim(publication, message, length));
}

/* The header that stands before a message in the log and on egress: 8 bytes for all messages, then term, session, time. */
typedef struct
{
    uint16_t block_length;
    uint16_t template_id;
    uint16_t schema_id;
    uint16_t version;
    int64_t leadership_term_id;
    int64_t session_id;
    int64_t timestamp;
}
session_header_t;

typedef struct
{
    aeron_publication_t *publication;
    int64_t messages;
    int64_t position;
    int64_t failure;
}
bench_echo_t;

static aeron_controlled_fragment_handler_action_t on_log(
    void *clientd, const uint8_t *buffer, size_t length, aeron_header_t *header)
{
    bench_echo_t *echo = clientd;
    session_header_t received;
    memcpy(&received, buffer, sizeof(received));
    if (111 != received.schema_id || 1 != received.template_id)
    {
        return AERON_ACTION_CONTINUE;
    }
    echo->position = aeron_header_position(header);
    session_header_t answer = { 24, 1, 111, 17, received.leadership_term_id, received.session_id, received.timestamp };
    aeron_iovec_t pieces[2] = {
        { .iov_base = (uint8_t *)&answer, .iov_len = sizeof(answer) },
        { .iov_base = (uint8_t *)buffer + SESSION_HEADER_LENGTH, .iov_len = length - SESSION_HEADER_LENGTH },
    };
    int64_t result;
    do
    {
        result = aeron_publication_offerv(echo->publication, pieces, 2, NULL, NULL);
    }
    while (AERON_PUBLICATION_ADMIN_ACTION == result);
    if (result < 0)
    {
        echo->failure = result;
    }
    echo->messages++;
    return AERON_ACTION_CONTINUE;
}

int64_t bench_echo(
    aeron_image_t *image, aeron_publication_t *publication, volatile int64_t *commit_position, int64_t messages)
{
    bench_echo_t echo = { .publication = publication };
    while (echo.messages < messages && 0 == echo.failure)
    {
        int polled = aeron_image_bounded_controlled_poll(image, on_log, &echo, *commit_position, FRAGMENT_LIMIT);
        if (polled < 0)
        {
            return polled;
        }
    }
    return echo.failure;
}
