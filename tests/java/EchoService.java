import io.aeron.ExclusivePublication;
import io.aeron.Image;
import io.aeron.cluster.codecs.CloseReason;
import io.aeron.cluster.service.ClientSession;
import io.aeron.cluster.service.Cluster;
import io.aeron.cluster.service.ClusteredService;
import io.aeron.logbuffer.Header;
import org.agrona.DirectBuffer;

/** The official container with a service that answers every message with the message. */
public final class EchoService implements ClusteredService
{
    private Cluster cluster;

    public static void main(final String[] args)
    {
        Launcher.run(new EchoService());
    }

    public void onStart(final Cluster cluster, final Image snapshotImage)
    {
        this.cluster = cluster;
        System.out.println("start");
    }

    public void onSessionMessage(
        final ClientSession session,
        final long timestamp,
        final DirectBuffer buffer,
        final int offset,
        final int length,
        final Header header)
    {
        if (null != session)
        {
            Launcher.offer(cluster, session, buffer, offset, length);
        }
    }

    public void onRoleChange(final Cluster.Role newRole)
    {
        System.out.println("role=" + newRole);
    }

    public void onTerminate(final Cluster cluster)
    {
        System.out.println("terminate");
    }

    public void onTakeSnapshot(final ExclusivePublication snapshotPublication)
    {
        System.out.println("snapshot");
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
