import io.aeron.ExclusivePublication;
import io.aeron.Image;
import io.aeron.Publication;
import io.aeron.cluster.codecs.CloseReason;
import io.aeron.cluster.service.ClientSession;
import io.aeron.cluster.service.Cluster;
import io.aeron.cluster.service.ClusteredService;
import io.aeron.logbuffer.Header;
import org.agrona.DirectBuffer;
import org.agrona.concurrent.UnsafeBuffer;

import java.nio.ByteOrder;

/**
 * The official container with a service that counts: each message adds one and, when a session sent it, is answered with the count.
 * Count on the wire and in the snapshot: 8 bytes, little endian.
 */
public final class CounterService implements ClusteredService
{
    private final UnsafeBuffer out = new UnsafeBuffer(new byte[Long.BYTES]);
    private Cluster cluster;
    private long count;

    public static void main(final String[] args)
    {
        Launcher.run(new CounterService());
    }

    public void onStart(final Cluster cluster, final Image snapshotImage)
    {
        this.cluster = cluster;
        if (null != snapshotImage)
        {
            load(snapshotImage);
        }
        System.out.println("start count=" + count);
    }

    private void load(final Image image)
    {
        final boolean[] loaded = { false };
        while (!loaded[0])
        {
            final int fragments = image.poll(
                (buffer, offset, length, header) ->
                {
                    count = buffer.getLong(offset, ByteOrder.LITTLE_ENDIAN);
                    loaded[0] = true;
                },
                1);
            if (0 == fragments && image.isEndOfStream())
            {
                throw new IllegalStateException("the snapshot ended before its count");
            }
            cluster.idleStrategy().idle(fragments);
        }
    }

    public void onSessionMessage(
        final ClientSession session,
        final long timestamp,
        final DirectBuffer buffer,
        final int offset,
        final int length,
        final Header header)
    {
        count++;
        if (null != session)
        {
            out.putLong(0, count, ByteOrder.LITTLE_ENDIAN);
            Launcher.offer(cluster, session, out, 0, Long.BYTES);
        }
    }

    public void onTakeSnapshot(final ExclusivePublication snapshotPublication)
    {
        out.putLong(0, count, ByteOrder.LITTLE_ENDIAN);
        cluster.idleStrategy().reset();
        long result;
        while ((result = snapshotPublication.offer(out, 0, Long.BYTES)) < 0)
        {
            if (Publication.BACK_PRESSURED != result && Publication.ADMIN_ACTION != result)
            {
                throw new IllegalStateException("snapshot offer failed: " + Publication.errorString(result));
            }
            cluster.idleStrategy().idle();
        }
        System.out.println("snapshot count=" + count);
    }

    public void onRoleChange(final Cluster.Role newRole)
    {
        System.out.println("role=" + newRole + " count=" + count);
    }

    public void onTerminate(final Cluster cluster)
    {
        System.out.println("terminate count=" + count);
    }

    public void onSessionOpen(final ClientSession session, final long timestamp)
    {
    }

    public void onSessionClose(final ClientSession session, final long timestamp, final CloseReason closeReason)
    {
    }

    public void onTimerEvent(final long correlationId, final long timestamp)
    {
    }
}
