import io.aeron.Publication;
import io.aeron.cluster.service.ClientSession;
import io.aeron.cluster.service.Cluster;
import io.aeron.cluster.service.ClusteredService;
import io.aeron.cluster.service.ClusteredServiceContainer;
import org.agrona.DirectBuffer;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** What the services share: the container's life, and an answer that is offered until it is taken or pointless. */
final class Launcher
{
    private Launcher()
    {
    }

    /** Runs the service until the container terminates or the process is asked to end. Flags are the container's own -Daeron.* ones. */
    static void run(final ClusteredService service)
    {
        final CountDownLatch end = new CountDownLatch(1);
        final CountDownLatch closed = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(
            () ->
            {
                end.countDown();
                // Bounded: a container that is still starting cannot be closed.
                await(closed, 3);
            }));
        final ClusteredServiceContainer container = ClusteredServiceContainer.launch(
            new ClusteredServiceContainer.Context().clusteredService(service).terminationHook(end::countDown));
        try
        {
            await(end, Long.MAX_VALUE);
        }
        finally
        {
            container.close();
            closed.countDown();
        }
        System.out.println("stopped");
    }

    static void offer(
        final Cluster cluster, final ClientSession session, final DirectBuffer buffer, final int offset, final int length)
    {
        cluster.idleStrategy().reset();
        long result;
        while ((result = session.offer(buffer, offset, length)) < 0)
        {
            if (Publication.BACK_PRESSURED != result && Publication.ADMIN_ACTION != result)
            {
                return;
            }
            cluster.idleStrategy().idle();
        }
    }

    private static void await(final CountDownLatch latch, final long seconds)
    {
        try
        {
            latch.await(seconds, TimeUnit.SECONDS);
        }
        catch (final InterruptedException e)
        {
            Thread.currentThread().interrupt();
        }
    }
}
