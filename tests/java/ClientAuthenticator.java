import io.aeron.security.Authenticator;
import io.aeron.security.AuthenticatorSupplier;
import io.aeron.security.SessionProxy;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/**
 * Lets in who shows nothing, as nobody, and who shows {@code user:password}, as user. Who shows {@code riddle} is asked
 * {@code riddle} and let in, as riddler, for {@code riddle-answered}. Everybody else is rejected.
 */
public final class ClientAuthenticator implements Authenticator, AuthenticatorSupplier
{
    private final Map<Long, String> shown = new HashMap<>();

    public Authenticator get()
    {
        return this;
    }

    public void onConnectRequest(final long sessionId, final byte[] encodedCredentials, final long nowMs)
    {
        shown.put(sessionId, new String(encodedCredentials, StandardCharsets.US_ASCII));
    }

    public void onChallengeResponse(final long sessionId, final byte[] encodedCredentials, final long nowMs)
    {
        shown.put(sessionId, new String(encodedCredentials, StandardCharsets.US_ASCII));
    }

    public void onConnectedSession(final SessionProxy sessionProxy, final long nowMs)
    {
        switch (shown.get(sessionProxy.sessionId()))
        {
            case "" -> sessionProxy.authenticate(new byte[0]);
            case "user:password" -> sessionProxy.authenticate("user".getBytes(StandardCharsets.US_ASCII));
            case "riddle" -> sessionProxy.challenge("riddle".getBytes(StandardCharsets.US_ASCII));
            default -> sessionProxy.reject();
        }
    }

    public void onChallengedSession(final SessionProxy sessionProxy, final long nowMs)
    {
        switch (shown.get(sessionProxy.sessionId()))
        {
            case "riddle" ->
            {
                // It has not answered yet.
            }
            case "riddle-answered" -> sessionProxy.authenticate("riddler".getBytes(StandardCharsets.US_ASCII));
            default -> sessionProxy.reject();
        }
    }
}
