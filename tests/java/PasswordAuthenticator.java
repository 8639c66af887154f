import io.aeron.security.Authenticator;
import io.aeron.security.AuthenticatorSupplier;
import io.aeron.security.SessionProxy;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/**
 * Lets in who says {@code open}, and who says {@code knock} and then answers the challenge {@code who?} with {@code friend}.
 */
public final class PasswordAuthenticator implements AuthenticatorSupplier, Authenticator
{
    private final Map<Long, String> said = new HashMap<>();

    public Authenticator get()
    {
        return new PasswordAuthenticator();
    }

    public void onConnectRequest(final long sessionId, final byte[] encodedCredentials, final long nowMs)
    {
        said.put(sessionId, new String(encodedCredentials, StandardCharsets.US_ASCII));
    }

    public void onChallengeResponse(final long sessionId, final byte[] encodedCredentials, final long nowMs)
    {
        said.put(sessionId, new String(encodedCredentials, StandardCharsets.US_ASCII));
    }

    public void onConnectedSession(final SessionProxy session, final long nowMs)
    {
        switch (said.getOrDefault(session.sessionId(), ""))
        {
            case "open":
                session.authenticate(new byte[0]);
                break;

            case "knock":
                // With a zero inside, which is the end of a string in C.
                session.challenge("who\0?".getBytes(StandardCharsets.US_ASCII));
                break;

            default:
                session.reject();
        }
    }

    public void onChallengedSession(final SessionProxy session, final long nowMs)
    {
        switch (said.getOrDefault(session.sessionId(), ""))
        {
            case "friend":
                session.authenticate(new byte[0]);
                break;

            case "knock":
                break; // no answer yet

            default:
                session.reject();
        }
    }
}
