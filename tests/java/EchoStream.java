import io.aeron.Aeron;
import io.aeron.FragmentAssembler;
import io.aeron.Publication;
import io.aeron.Subscription;
import org.agrona.concurrent.YieldingIdleStrategy;

/**
 * Receives a stream and sends each message on as another, until it has sent a number of them: for tests of clients in other languages.
 */
public final class EchoStream
{
    public static void main(final String[] args)
    {
        final String in = args[0];
        final String out = args[1];
        final int streamId = Integer.parseInt(args[2]);
        final long messages = Long.parseLong(args[3]);
        final YieldingIdleStrategy idle = new YieldingIdleStrategy();

        try (Aeron aeron = Aeron.connect();
            Subscription subscription = aeron.addSubscription(in, streamId);
            Publication publication = aeron.addPublication(out, streamId + 1))
        {
            System.out.println("ready");
            final long[] sent = {0};
            final FragmentAssembler assembler = new FragmentAssembler((buffer, offset, length, header) ->
            {
                while (publication.offer(buffer, offset, length) < 0)
                {
                    idle.idle();
                }
                sent[0]++;
            });
            while (sent[0] < messages)
            {
                idle.idle(subscription.poll(assembler, 10));
            }
            // What was sent must have time to arrive.
            while (publication.isConnected())
            {
                Thread.onSpinWait();
            }
            System.out.println("sent " + sent[0]);
        }
    }
}
