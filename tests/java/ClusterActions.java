import io.aeron.Aeron;
import io.aeron.archive.client.AeronArchive;
import io.aeron.cluster.ClusterControl;
import io.aeron.cluster.RecordingLog;
import org.agrona.concurrent.status.AtomicCounter;

import java.io.File;

/**
 * What an operator does to a member and ClusterTool has no command for: <code>ClusterActions COMMAND CLUSTER_DIR</code>, with the member's own
 * -Daeron.* flags.
 * <ul>
 * <li>purge: removes the segments of the log before the latest snapshot, and prints how many.
 * <li>standby-snapshot: asks for a snapshot of standby nodes alone.
 * </ul>
 */
public final class ClusterActions
{
    private ClusterActions()
    {
    }

    public static void main(final String[] args)
    {
        final File clusterDir = new File(args[1]);
        try (Aeron aeron = Aeron.connect())
        {
            switch (args[0])
            {
                case "purge":
                    purge(aeron, clusterDir);
                    break;
                case "standby-snapshot":
                    standbySnapshot(aeron);
                    break;
                default:
                    throw new IllegalArgumentException(args[0]);
            }
        }
    }

    private static void purge(final Aeron aeron, final File clusterDir)
    {
        final AeronArchive.Context context = new AeronArchive.Context()
            .aeron(aeron)
            .ownsAeronClient(false)
            .controlRequestChannel("aeron:ipc")
            .controlRequestStreamId(AeronArchive.Configuration.localControlStreamId())
            .controlResponseChannel("aeron:ipc")
            .controlResponseStreamId(10_000);
        try (RecordingLog log = new RecordingLog(clusterDir, false); AeronArchive archive = AeronArchive.connect(context))
        {
            final long recordingId = log.findLastTermRecordingId();
            final long[] newStart = { 0 };
            final long snapshotPosition = log.getLatestSnapshot(0).logPosition;
            archive.listRecording(
                recordingId,
                (controlSessionId, correlationId, id, startTimestamp, stopTimestamp, startPosition, stopPosition,
                    initialTermId, segmentFileLength, termBufferLength, mtuLength, sessionId, streamId, strippedChannel,
                    originalChannel, sourceIdentity) ->
                {
                    newStart[0] = AeronArchive.segmentFileBasePosition(
                        startPosition, snapshotPosition, termBufferLength, segmentFileLength);
                    System.out.println("snapshot=" + snapshotPosition + " start=" + newStart[0]);
                });
            System.out.println("purged=" + archive.purgeSegments(recordingId, newStart[0]));
        }
    }

    private static void standbySnapshot(final Aeron aeron)
    {
        final AtomicCounter toggle = ClusterControl.findControlToggle(aeron.countersReader(), 0);
        if (!ClusterControl.ToggleState.STANDBY_SNAPSHOT.toggle(toggle))
        {
            throw new IllegalStateException("the consensus module is busy with " + ClusterControl.ToggleState.get(toggle));
        }
        while (ClusterControl.ToggleState.NEUTRAL.code() != toggle.get())
        {
            Thread.onSpinWait();
        }
        System.out.println("done");
    }
}
