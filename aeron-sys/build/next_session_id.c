/*
 * Stands between the archive client and two functions of the client (archive.rs renames its calls).
 *
 * The archive client waits for its next session id in a loop that asks without a pause and without an end. When the media
 * driver dies meanwhile, the client ends, nobody answers any more, and the loop would spin for ever: here it sleeps, and
 * ends with the client.
 */
#include <time.h>

#include "aeronc.h"
#include "util/aeron_error.h"

#undef aeron_async_next_session_id
#undef aeron_async_next_session_id_poll

int aeron_async_next_session_id(
    aeron_async_get_next_available_session_id_t **async, aeron_t *client, int32_t stream_id);
int aeron_async_next_session_id_poll(
    int32_t *next_session_id, aeron_async_get_next_available_session_id_t *async);

static _Thread_local aeron_t *asking_client;

int aeron_sys_async_next_session_id(
    aeron_async_get_next_available_session_id_t **async, aeron_t *client, int32_t stream_id)
{
    asking_client = client;
    return aeron_async_next_session_id(async, client, stream_id);
}

int aeron_sys_async_next_session_id_poll(
    int32_t *next_session_id, aeron_async_get_next_available_session_id_t *async)
{
    const struct timespec pause = {.tv_sec = 0, .tv_nsec = 100 * 1000};
    const int result = aeron_async_next_session_id_poll(next_session_id, async);

    if (0 != result)
    {
        return result;
    }
    if (aeron_is_closed(asking_client))
    {
        AERON_SET_ERR(-AERON_CLIENT_ERROR_DRIVER_TIMEOUT, "%s", "the Aeron client closed while it awaited a session id");
        return -1;
    }
    nanosleep(&pause, NULL);
    return 0;
}
