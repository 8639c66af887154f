import io.aeron.ExclusivePublication;
import io.aeron.Image;
import io.aeron.ImageFragmentAssembler;
import io.aeron.Publication;
import io.aeron.cluster.client.ClusterException;
import io.aeron.cluster.codecs.CloseReason;
import io.aeron.cluster.service.ClientSession;
import io.aeron.cluster.service.Cluster;
import io.aeron.cluster.service.ClusterTerminationException;
import io.aeron.cluster.service.ClusteredService;
import io.aeron.logbuffer.Header;
import org.agrona.DirectBuffer;
import org.agrona.concurrent.UnsafeBuffer;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;
import java.util.stream.LongStream;

/**
 * The twin of the replica in tests/replica on the official container: same commands, state, replies, lines and snapshots.
 */
public final class ReplicaService implements ClusteredService
{
    private static final long OFFSET_BASIS = 0xcbf29ce484222325L;
    private static final long PRIME = 0x100000001b3L;
    private static final int SERVICES = 10;
    private static final int PIECE_LENGTH = 64 * 1024;
    private static final byte[] MAGIC = "REPLICA1".getBytes(StandardCharsets.US_ASCII);
    private static final long QUIET_NS = TimeUnit.MILLISECONDS.toNanos(20);
    private static final long CLIENT_PATIENCE_NS = TimeUnit.SECONDS.toNanos(3);

    /** What a session sent: whether it is open, how many messages, and the numbers applied as ranges of both ends included. */
    private static final class Numbers
    {
        final List<long[]> ranges = new ArrayList<>();
        boolean isOpen;
        long count;

        boolean add(final long number)
        {
            final long[] last = ranges.isEmpty() ? null : ranges.get(ranges.size() - 1);
            if (null != last && number <= last[1])
            {
                return false;
            }
            if (null != last && number == last[1] + 1)
            {
                last[1] = number;
            }
            else
            {
                ranges.add(new long[]{ number, number });
            }
            return true;
        }
    }

    private final long[] serviceMessages = new long[SERVICES];
    private final TreeMap<Long, Numbers> sessions = new TreeMap<>();
    private Cluster cluster;
    private long hash = OFFSET_BASIS;
    private long exact = OFFSET_BASIS;
    private long messages;
    private long timers;
    private long terms;
    private long doubled;
    private long offered;
    private byte[] kept = {};
    private boolean failsSnapshot;
    private long told;
    private long seen;
    private long seenNs;

    public static void main(final String[] args)
    {
        Launcher.run(new ReplicaService());
    }

    public void onStart(final Cluster cluster, final Image snapshotImage)
    {
        this.cluster = cluster;
        if (null != snapshotImage)
        {
            load(new Reader(cluster, snapshotImage));
        }
        tell("start");
    }

    public void onSessionOpen(final ClientSession session, final long timestamp)
    {
        numbers(session.id()).isOpen = true;
        final byte[] channel = session.responseChannel().getBytes(StandardCharsets.US_ASCII);
        final byte[] principal = session.encodedPrincipal();
        final ByteBuffer extra = buffer(Integer.BYTES + channel.length + principal.length);
        extra.putInt(session.responseStreamId()).put(channel).put(principal);
        apply(1, buffer(Long.BYTES).putLong(session.id()).array(), new byte[0], timestamp, extra.array());
    }

    public void onSessionClose(final ClientSession session, final long timestamp, final CloseReason closeReason)
    {
        numbers(session.id()).isOpen = false;
        final ByteBuffer fields = buffer(2 * Long.BYTES).putLong(session.id()).putLong(closeReason.value());
        apply(2, fields.array(), new byte[0], timestamp, new byte[0]);
    }

    public void onSessionMessage(
        final ClientSession session,
        final long timestamp,
        final DirectBuffer buffer,
        final int offset,
        final int length,
        final Header header)
    {
        final byte[] message = new byte[length];
        buffer.getBytes(offset, message);
        if (null == session)
        {
            onServiceMessage(timestamp, message);
            return;
        }
        final ByteBuffer in = ByteBuffer.wrap(message).order(ByteOrder.LITTLE_ENDIAN);
        final boolean isCommand = length >= 1 + Long.BYTES && isComplete(message[0], length - 1 - Long.BYTES);
        final int operation = isCommand ? in.get() : -1;
        final long number = isCommand ? in.getLong() : 0;
        if (7 == operation && isForThis(in))
        {
            throw new IllegalStateException("this replica was told to panic");
        }
        messages++;
        numbers(session.id()).count++;
        apply(3, buffer(Long.BYTES).putLong(session.id()).array(), message, timestamp, new byte[0]);
        if (isCommand && !numbers(session.id()).add(number))
        {
            doubled++;
        }
        final byte[] reply = isCommand ? onCommand(session, operation, number, in) : null;
        answer(session, null == reply ? message : reply);
    }

    /** Whether a message with so many bytes of arguments is this command. */
    private static boolean isComplete(final byte operation, final int length)
    {
        final int[] leastLengths = { 0, 0, 16, 8, 0, 4, 4, 4, 8, 5, 8, 4 };
        return operation >= 0 && operation < leastLengths.length && length >= leastLengths[operation];
    }

    /** The reply, or null to answer with the message. */
    private byte[] onCommand(final ClientSession session, final int operation, final long number, final ByteBuffer in)
    {
        switch (operation)
        {
            case 0:
                return null;
            case 2:
            {
                final long id = correlationId(in.getLong());
                final long deadline = cluster.time() + in.getLong();
                retry(Long.MAX_VALUE, () -> cluster.scheduleTimer(id, deadline));
                break;
            }
            case 3:
            {
                final long id = correlationId(in.getLong());
                retry(Long.MAX_VALUE, () -> cluster.cancelTimer(id));
                break;
            }
            case 4:
                offer(in);
                break;
            case 5:
                return bytes(number, in.getInt());
            case 6:
                failsSnapshot |= isForThis(in);
                break;
            case 8:
                sleep(in);
                break;
            case 9:
                if (isForThis(in))
                {
                    throw new ClusterTerminationException(0 != in.get());
                }
                break;
            case 10:
            {
                final long id = in.getLong();
                final ClientSession closing = cluster.getClientSession(0 == id ? session.id() : id);
                if (null != closing)
                {
                    closing.close();
                }
                break;
            }
            case 11:
                kept = pattern(in.getInt(), number);
                break;
            default:
                break;
        }
        return reply(0x80, 2 * Long.BYTES).putLong(number).putLong(hash).array();
    }

    private void sleep(final ByteBuffer in)
    {
        if (isForThis(in))
        {
            try
            {
                Thread.sleep(in.getInt());
            }
            catch (final InterruptedException e)
            {
                Thread.currentThread().interrupt();
            }
        }
    }

    private byte[] bytes(final long number, final int length)
    {
        return reply(0x83, Long.BYTES + length).putLong(number).put(pattern(length, number)).array();
    }

    private void offer(final ByteBuffer in)
    {
        offered++;
        final ByteBuffer out = buffer(1 + Long.BYTES + in.remaining());
        out.put((byte)cluster.context().serviceId()).putLong(offered).put(in);
        final UnsafeBuffer message = new UnsafeBuffer(out.array());
        retry(Long.MAX_VALUE, () -> cluster.offer(message, 0, message.capacity()) > 0);
    }

    private void onServiceMessage(final long timestamp, final byte[] message)
    {
        apply(5, new byte[0], message, timestamp, new byte[0]);
        if (message.length >= 1 + Long.BYTES && message[0] >= 0 && message[0] < SERVICES)
        {
            final long number = ByteBuffer.wrap(message, 1, Long.BYTES).order(ByteOrder.LITTLE_ENDIAN).getLong();
            if (++serviceMessages[message[0]] != number)
            {
                doubled++;
            }
        }
        tellClients(reply(0x82, message.length).put(message).array());
    }

    public void onTimerEvent(final long correlationId, final long timestamp)
    {
        timers++;
        apply(4, buffer(Long.BYTES).putLong(correlationId).array(), new byte[0], timestamp, new byte[0]);
        tellClients(reply(0x81, Long.BYTES).putLong(correlationId).array());
    }

    public void onNewLeadershipTermEvent(
        final long leadershipTermId,
        final long logPosition,
        final long timestamp,
        final long termBaseLogPosition,
        final int leaderMemberId,
        final int logSessionId,
        final TimeUnit timeUnit,
        final int appVersion)
    {
        terms++;
        final byte[] fields = buffer(2 * Long.BYTES).putLong(leadershipTermId).putLong(leaderMemberId).array();
        final byte[] extra = buffer(2 * Long.BYTES).putLong(termBaseLogPosition).putLong(logPosition).array();
        apply(6, fields, new byte[0], timestamp, extra);
    }

    public void onTakeSnapshot(final ExclusivePublication snapshotPublication)
    {
        if (failsSnapshot)
        {
            failsSnapshot = false;
            throw new ClusterException("this replica was told to fail its snapshot");
        }
        final ByteBuffer first = buffer(MAGIC.length + (9 + SERVICES) * Long.BYTES).put(MAGIC);
        LongStream.of(hash, exact, messages, timers, terms, doubled, offered).forEach(first::putLong);
        LongStream.of(serviceMessages).forEach(first::putLong);
        write(snapshotPublication, first.putLong(sessions.size()).putLong(kept.length).array());
        for (final Map.Entry<Long, Numbers> session : sessions.entrySet())
        {
            final Numbers numbers = session.getValue();
            final ByteBuffer out = buffer(Long.BYTES + 1 + Long.BYTES + 2 * Long.BYTES * numbers.ranges.size());
            out.putLong(session.getKey()).put((byte)(numbers.isOpen ? 1 : 0)).putLong(numbers.count);
            numbers.ranges.forEach((range) -> out.putLong(range[0]).putLong(range[1]));
            write(snapshotPublication, out.array());
        }
        for (int i = 0; i < kept.length; i += PIECE_LENGTH)
        {
            write(snapshotPublication, Arrays.copyOfRange(kept, i, Math.min(kept.length, i + PIECE_LENGTH)));
        }
        tell("snapshot");
    }

    private void write(final ExclusivePublication publication, final byte[] message)
    {
        final UnsafeBuffer buffer = new UnsafeBuffer(message);
        retry(Long.MAX_VALUE, () -> isTaken(publication.offer(buffer, 0, message.length), true));
    }

    private void load(final Reader reader)
    {
        final ByteBuffer first = ByteBuffer.wrap(reader.next()).order(ByteOrder.LITTLE_ENDIAN);
        final byte[] magic = new byte[MAGIC.length];
        first.get(magic);
        if (!Arrays.equals(MAGIC, magic))
        {
            throw new IllegalStateException("not a snapshot of a replica");
        }
        hash = first.getLong();
        exact = first.getLong();
        messages = first.getLong();
        timers = first.getLong();
        terms = first.getLong();
        doubled = first.getLong();
        offered = first.getLong();
        for (int i = 0; i < SERVICES; i++)
        {
            serviceMessages[i] = first.getLong();
        }
        final long sessionCount = first.getLong();
        kept = new byte[(int)first.getLong()];
        for (int i = 0; i < sessionCount; i++)
        {
            final ByteBuffer in = ByteBuffer.wrap(reader.next()).order(ByteOrder.LITTLE_ENDIAN);
            final Numbers numbers = numbers(in.getLong());
            numbers.isOpen = 0 != in.get();
            numbers.count = in.getLong();
            while (in.hasRemaining())
            {
                numbers.ranges.add(new long[]{ in.getLong(), in.getLong() });
            }
        }
        for (int i = 0; i < kept.length; )
        {
            final byte[] piece = reader.next();
            System.arraycopy(piece, 0, kept, i, piece.length);
            i += piece.length;
        }
    }

    public void onRoleChange(final Cluster.Role newRole)
    {
        tell("role=" + newRole);
    }

    public void onTerminate(final Cluster cluster)
    {
        tell("terminate");
    }

    public int doBackgroundWork(final long nowNs)
    {
        if (exact != seen)
        {
            seen = exact;
            seenNs = nowNs;
        }
        else if (exact != told && nowNs - seenNs >= QUIET_NS)
        {
            told = exact;
            tell("state");
        }
        return 0;
    }

    private void apply(final int kind, final byte[] fields, final byte[] content, final long timestamp, final byte[] extra)
    {
        hash = mix(hash, new byte[]{ (byte)kind });
        hash = mix(hash, fields);
        hash = mix(hash, buffer(Long.BYTES).putLong(content.length).array());
        hash = mix(hash, content);
        exact = mix(exact, buffer(Long.BYTES).putLong(hash).array());
        exact = mix(exact, buffer(Long.BYTES).putLong(cluster.logPosition()).array());
        exact = mix(exact, buffer(Long.BYTES).putLong(timestamp).array());
        exact = mix(exact, extra);
    }

    private static long mix(final long state, final byte[] bytes)
    {
        long mixed = state;
        for (final byte b : bytes)
        {
            mixed = (mixed ^ (b & 0xff)) * PRIME;
        }
        return mixed;
    }

    private Numbers numbers(final long sessionId)
    {
        return sessions.computeIfAbsent(sessionId, (id) -> new Numbers());
    }

    private boolean isForThis(final ByteBuffer targets)
    {
        final int services = targets.getShort();
        final int members = targets.getShort();
        return 0 != (services >> cluster.context().serviceId() & 1) && 0 != (members >> cluster.memberId() & 1);
    }

    private long correlationId(final long id)
    {
        return id * 16 + cluster.context().serviceId();
    }

    private static byte[] pattern(final int length, final long seed)
    {
        final byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++)
        {
            bytes[i] = (byte)(seed * 31 + i * 7);
        }
        return bytes;
    }

    private static ByteBuffer buffer(final int length)
    {
        return ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
    }

    private ByteBuffer reply(final int kind, final int length)
    {
        return buffer(2 + length).put((byte)kind).put((byte)cluster.context().serviceId());
    }

    private void tellClients(final byte[] message)
    {
        cluster.forEachClientSession((session) -> answer(session, message));
    }

    private void answer(final ClientSession session, final byte[] message)
    {
        final UnsafeBuffer buffer = new UnsafeBuffer(message);
        retry(CLIENT_PATIENCE_NS, () -> isTaken(session.offer(buffer, 0, message.length), false));
    }

    private static boolean isTaken(final long result, final boolean isNeeded)
    {
        final boolean isRetryable = Publication.BACK_PRESSURED == result || Publication.ADMIN_ACTION == result;
        if (result < 0 && !isRetryable && isNeeded)
        {
            throw new IllegalStateException("snapshot offer failed: " + Publication.errorString(result));
        }
        return !isRetryable;
    }

    /** Sends until it is taken, pointless, or no longer worth waiting for. */
    private void retry(final long patienceNs, final BooleanSupplier send)
    {
        final long startNs = System.nanoTime();
        cluster.idleStrategy().reset();
        while (!send.getAsBoolean() && System.nanoTime() - startNs < patienceNs)
        {
            cluster.idleStrategy().idle();
        }
    }

    private void tell(final String what)
    {
        final long open = sessions.values().stream().filter((numbers) -> numbers.isOpen).count();
        final String numbers = sessions.entrySet().stream()
            .filter((session) -> !session.getValue().ranges.isEmpty())
            .map((session) -> session.getKey() + ":" + session.getValue().ranges.stream()
                .map((range) -> range[0] + "-" + range[1]).collect(Collectors.joining("+")))
            .collect(Collectors.joining(","));
        System.out.printf(
            "%s position=%d hash=%016x exact=%016x messages=%d timers=%d service_messages=%d terms=%d " +
            "sessions=%d/%d doubled=%d kept=%d numbers=%s%n",
            what, cluster.logPosition(), hash, exact, messages, timers, LongStream.of(serviceMessages).sum(), terms,
            open, sessions.size(), doubled, kept.length, numbers);
    }

    /** A snapshot, message by message. */
    private static final class Reader
    {
        private final ArrayDeque<byte[]> arrived = new ArrayDeque<>();
        private final Cluster cluster;
        private final Image image;
        private final ImageFragmentAssembler assembler = new ImageFragmentAssembler(
            (buffer, offset, length, header) ->
            {
                final byte[] message = new byte[length];
                buffer.getBytes(offset, message);
                arrived.add(message);
            });

        Reader(final Cluster cluster, final Image image)
        {
            this.cluster = cluster;
            this.image = image;
        }

        byte[] next()
        {
            while (arrived.isEmpty())
            {
                final int fragments = image.poll(assembler, 1);
                if (0 == fragments && image.isEndOfStream())
                {
                    throw new IllegalStateException("the snapshot ended early");
                }
                cluster.idleStrategy().idle(fragments);
            }
            return arrived.remove();
        }
    }
}
