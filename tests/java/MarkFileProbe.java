import io.aeron.cluster.codecs.mark.ClusterComponentType;
import io.aeron.cluster.codecs.mark.MarkFileHeaderDecoder;
import io.aeron.cluster.service.ClusterMarkFile;
import org.agrona.concurrent.errors.ErrorLogReader;

import java.io.File;

/**
 * Opens a mark file as Java's tools do (read), or as a Java container does (claim), and prints what it sees.
 */
public final class MarkFileProbe
{
    public static void main(final String[] args)
    {
        final File file = new File(args[1]);
        if ("read".equals(args[0]))
        {
            try (ClusterMarkFile mark = new ClusterMarkFile(
                file.getParentFile(), file.getName(), System::currentTimeMillis, 1000, message -> {}))
            {
                print(mark);
            }
        }
        else
        {
            claim(file);
        }
    }

    private static void claim(final File file)
    {
        try (ClusterMarkFile mark = new ClusterMarkFile(
            file, ClusterComponentType.CONTAINER, 1024 * 1024, System::currentTimeMillis, 10_000, 4096))
        {
            mark.encoder().serviceId(5).clusterId(6).memberId(7)
                .aeronDirectory("java-dir").controlChannel("aeron:ipc").ingressChannel(null)
                .serviceName("java-service").authenticator(null);
            mark.signalReady(System.currentTimeMillis());
            System.out.println("claimed candidateTermId=" + mark.candidateTermId());
        }
        catch (final RuntimeException ex)
        {
            System.out.println("refused " + ex.getMessage());
        }
    }

    private static void print(final ClusterMarkFile mark)
    {
        final MarkFileHeaderDecoder decoder = mark.decoder();
        System.out.println("type=" + decoder.componentType() + " version=" + decoder.version() +
            " pid=" + decoder.pid() + " activity=" + mark.activityTimestampVolatile() +
            " start=" + decoder.startTimestamp() + " candidate=" + mark.candidateTermId());
        System.out.println("archive=" + decoder.archiveStreamId() + " service=" + decoder.serviceStreamId() +
            " consensus=" + decoder.consensusModuleStreamId() + " ingress=" + decoder.ingressStreamId() +
            " member=" + mark.memberId() + " serviceId=" + decoder.serviceId() + " cluster=" + mark.clusterId());
        decoder.sbeRewind();
        System.out.println(String.join("|", decoder.aeronDirectory(), decoder.controlChannel(),
            decoder.ingressChannel(), decoder.serviceName(), decoder.authenticator(), decoder.servicesClusterDir()));
        ErrorLogReader.read(mark.errorBuffer(), (count, first, last, text) ->
            System.out.println("error " + count + " " + first + " " + last + " " + text));
    }
}
