/* Receives a stream and sends each message on as another, until it has sent a number of them: what a program in C alone does. */
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>

#include <aeronc.h>

typedef struct echo_stct
{
    aeron_publication_t *publication;
    int64_t sent;
    bool failed;
}
echo_t;

static int fail(const char *doing)
{
    fprintf(stderr, "%s: %s\n", doing, aeron_errmsg());
    return 1;
}

static void on_message(void *clientd, const uint8_t *message, size_t length, aeron_header_t *header)
{
    echo_t *echo = clientd;
    (void)header;
    while (!echo->failed)
    {
        int64_t result = aeron_publication_offer(echo->publication, message, length, NULL, NULL);
        if (result >= 0)
        {
            echo->sent++;
            return;
        }
        echo->failed = AERON_PUBLICATION_CLOSED == result || AERON_PUBLICATION_MAX_POSITION_EXCEEDED == result ||
            AERON_PUBLICATION_ERROR == result;
        sched_yield();
    }
}

/* On a client that is connected: everything that it adds goes with that. */
static int run(aeron_t *aeron, const char *in, const char *out, int32_t stream_id, int64_t messages)
{
    aeron_async_add_subscription_t *adding_in;
    aeron_async_add_publication_t *adding_out;
    aeron_fragment_assembler_t *assembler;
    aeron_subscription_t *subscription = NULL;
    echo_t echo = { NULL, 0, false };
    int added = 0;

    if (aeron_async_add_subscription(&adding_in, aeron, in, stream_id, NULL, NULL, NULL, NULL) < 0 ||
        aeron_async_add_publication(&adding_out, aeron, out, stream_id + 1) < 0 ||
        aeron_fragment_assembler_create(&assembler, on_message, &echo) < 0)
    {
        return fail("cannot start");
    }
    while (NULL == subscription && (added = aeron_async_add_subscription_poll(&subscription, adding_in)) >= 0)
    {
        sched_yield();
    }
    while (added >= 0 && NULL == echo.publication &&
        (added = aeron_async_add_publication_poll(&echo.publication, adding_out)) >= 0)
    {
        sched_yield();
    }
    if (added < 0)
    {
        return fail("cannot add a stream");
    }

    puts("ready");
    fflush(stdout);
    while (echo.sent < messages && !echo.failed)
    {
        int count = aeron_subscription_poll(subscription, aeron_fragment_assembler_handler, assembler, 10);
        if (count < 0)
        {
            return fail("cannot poll");
        }
        if (0 == count)
        {
            sched_yield();
        }
    }
    /* What was sent must have time to arrive. */
    while (aeron_publication_is_connected(echo.publication))
    {
        sched_yield();
    }
    printf("sent %lld\n", (long long)echo.sent);
    aeron_fragment_assembler_delete(assembler);
    return echo.failed ? fail("cannot send") : 0;
}

int echo_stream(const char *dir, const char *in, const char *out, int32_t stream_id, int64_t messages)
{
    aeron_context_t *context;
    aeron_t *aeron;
    if (aeron_context_init(&context) < 0 || aeron_context_set_dir(context, dir) < 0 || aeron_init(&aeron, context) < 0 ||
        aeron_start(aeron) < 0)
    {
        return fail("cannot connect");
    }
    int result = run(aeron, in, out, stream_id, messages);
    aeron_close(aeron);
    aeron_context_close(context);
    return result;
}
