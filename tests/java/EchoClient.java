import io.aeron.Publication;
import io.aeron.cluster.client.AeronCluster;
import io.aeron.cluster.client.EgressListener;
import io.aeron.cluster.codecs.EventCode;
import io.aeron.exceptions.TimeoutException;
import io.aeron.logbuffer.Header;
import org.agrona.DirectBuffer;
import org.agrona.concurrent.BackoffIdleStrategy;
import org.agrona.concurrent.UnsafeBuffer;

import java.nio.ByteOrder;
import java.util.concurrent.TimeUnit;

/**
 * The official cluster client: sends messages, verifies content and order of what comes back, prints one line of JSON.
 * <p>
 * Flags: the client's own -Daeron.* ones, and -Decho.messages, -Decho.length (at least 8), -Decho.window, -Decho.reply=echo|count.
 * With reply=count the answers are those of a counter. Exit status 1 if anything was wrong, or lost while no leader changed.
 */
public final class EchoClient implements EgressListener
{
    private static final long STALL_NS = TimeUnit.SECONDS.toNanos(Integer.getInteger("echo.stall.seconds", 10));
    private static final int CONNECT_ATTEMPTS = 4;
    private final long messages = Long.getLong("echo.messages", 1000);
    private final int length = Integer.getInteger("echo.length", 32);
    private final int window = Integer.getInteger("echo.window", 16);
    private final boolean isCounter = "count".equals(System.getProperty("echo.reply", "echo"));
    private final UnsafeBuffer message = new UnsafeBuffer(new byte[length]);
    private final BackoffIdleStrategy idle = new BackoffIdleStrategy();
    private long sent;
    private long received;
    private long next;
    private long lost;
    private long bad;
    private long lastCount;
    private int leaderChanges;
    private int leaderChangesSeen;
    private long progressNs = System.nanoTime();
    private String end = "done";

    public static void main(final String[] args)
    {
        final EchoClient client = new EchoClient();
        try (AeronCluster cluster = connect(client))
        {
            System.err.println("connected session=" + cluster.clusterSessionId() + " leader=" + cluster.leaderMemberId());
            client.run(cluster);
        }
        System.exit(client.report() ? 0 : 1);
    }

    /**
     * A member whose consensus module was killed looks connected until its driver notices, so an attempt may find nobody.
     */
    private static AeronCluster connect(final EchoClient client)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return AeronCluster.connect(new AeronCluster.Context().egressListener(client));
            }
            catch (final TimeoutException ex)
            {
                if (attempt == CONNECT_ATTEMPTS)
                {
                    throw ex;
                }
                System.err.println("connect attempt " + attempt + ": " + ex.getMessage());
            }
        }
    }

    private void run(final AeronCluster cluster)
    {
        long keepAliveNs = System.nanoTime();
        while (next < messages)
        {
            int work = send(cluster);
            work += cluster.pollEgress();
            final long nowNs = System.nanoTime();
            if (nowNs - keepAliveNs > TimeUnit.SECONDS.toNanos(1))
            {
                cluster.sendKeepAlive();
                keepAliveNs = nowNs;
            }
            if (cluster.isClosed() || nowNs - progressNs > STALL_NS && !skipLost(nowNs))
            {
                end = cluster.isClosed() ? "closed" : "stalled";
                return;
            }
            idle.idle(work);
        }
    }

    /** What was on its way when a leader changed may never be answered: without news of it, go on with the next message. */
    private boolean skipLost(final long nowNs)
    {
        if (leaderChanges == leaderChangesSeen || next == sent)
        {
            return false;
        }
        leaderChangesSeen = leaderChanges;
        lost += sent - next;
        next = sent;
        progressNs = nowNs;
        return true;
    }

    private int send(final AeronCluster cluster)
    {
        if (sent == messages || sent - next >= window)
        {
            return 0;
        }
        fill(sent);
        final long result = cluster.offer(message, 0, length);
        if (result > 0)
        {
            sent++;
            return 1;
        }
        if (Publication.MAX_POSITION_EXCEEDED == result)
        {
            throw new IllegalStateException("ingress: " + Publication.errorString(result));
        }
        return 0;
    }

    private void fill(final long sequence)
    {
        message.putLong(0, sequence, ByteOrder.LITTLE_ENDIAN);
        for (int i = Long.BYTES; i < length; i++)
        {
            message.putByte(i, (byte)(sequence + i));
        }
    }

    public void onMessage(
        final long clusterSessionId,
        final long timestamp,
        final DirectBuffer buffer,
        final int offset,
        final int length,
        final Header header)
    {
        received++;
        progressNs = System.nanoTime();
        final boolean isGood = isCounter ? isNextCount(buffer, offset, length) : isNextEcho(buffer, offset, length);
        if (!isGood)
        {
            bad++;
        }
    }

    private boolean isNextCount(final DirectBuffer buffer, final int offset, final int length)
    {
        final long count = Long.BYTES == length ? buffer.getLong(offset, ByteOrder.LITTLE_ENDIAN) : -1;
        final boolean isGood = 0 == next ? count > 0 : count == lastCount + 1 || leaderChanges > 0 && count > lastCount;
        lastCount = count;
        next++;
        return isGood;
    }

    private boolean isNextEcho(final DirectBuffer buffer, final int offset, final int length)
    {
        if (length != this.length)
        {
            return false;
        }
        final long sequence = buffer.getLong(offset, ByteOrder.LITTLE_ENDIAN);
        if (sequence < next || sequence >= sent || sequence > next && 0 == leaderChanges)
        {
            return false;
        }
        lost += sequence - next;
        next = sequence + 1;
        for (int i = Long.BYTES; i < length; i++)
        {
            if ((byte)(sequence + i) != buffer.getByte(offset + i))
            {
                return false;
            }
        }
        return true;
    }

    public void onNewLeader(
        final long clusterSessionId, final long leadershipTermId, final int leaderMemberId, final String ingressEndpoints)
    {
        leaderChanges++;
        progressNs = System.nanoTime();
        System.err.println("new leader=" + leaderMemberId + " term=" + leadershipTermId);
    }

    public void onSessionEvent(
        final long correlationId,
        final long clusterSessionId,
        final long leadershipTermId,
        final int leaderMemberId,
        final EventCode code,
        final String detail)
    {
        System.err.println("session event " + code + " " + detail);
    }

    private boolean report()
    {
        System.out.println(
            "{\"sent\":" + sent + ",\"received\":" + received + ",\"bad\":" + bad + ",\"lost\":" + lost +
            ",\"last_count\":" + lastCount + ",\"leader_changes\":" + leaderChanges + ",\"end\":\"" + end + "\"}");
        return "done".equals(end) && 0 == bad && (0 == lost || leaderChanges > 0);
    }
}
