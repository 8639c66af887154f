/*
 * Compiles upstream's persistent subscription with another end for the proxy of its replay requests.
 *
 * It closes the publication of these requests, and then has the proxy deleted, which closes the same publication again. By then the conductor
 * may have freed it: what is read is freed memory, and what is closed may be something else. Here the proxy is freed and closes nothing. It
 * is made with that publication and goes with it, so nothing stays open.
 */
#include "aeron_alloc.h"
#include "aeron_archive_proxy.h"

static int aeron_sys_archive_proxy_free(aeron_archive_proxy_t *proxy)
{
    aeron_free(proxy);
    return 0;
}

#define aeron_archive_proxy_delete aeron_sys_archive_proxy_free

#include "aeron_archive_persistent_subscription.c"
