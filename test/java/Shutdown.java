import io.socket.client.IO;
import io.socket.client.Socket;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.json.JSONObject;

/**
 * Connects and subscribes to a region, says what it sees, and prints one JSON
 * object when it is back after the server has stopped and hears of its region
 * again.
 * usage: java -cp 'lib/*' Shutdown.java URL TRANSPORTS
 */
public class Shutdown {
  public static void main(String[] args) throws Exception {
    IO.Options options = IO.Options.builder()
        .setTransports(args[1].split(","))
        .setReconnectionDelay(50)
        .setReconnectionDelayMax(200)
        .build();
    Socket socket = IO.socket(args[0], options);
    AtomicReference<String> lost = new AtomicReference<>();
    AtomicBoolean heard = new AtomicBoolean();
    socket.on(Socket.EVENT_CONNECT, ignored -> {
      if (lost.get() == null) {
        System.out.println("connected");
      }
      socket.emit("metrics:subscribe", new JSONObject(Map.of("source", "us-east")));
    });
    socket.on("metrics-update", payload -> {
      if (lost.get() != null) {
        System.out.println("{\"lost\":\"" + lost.get() + "\",\"back\":true,\"update\":" + ((JSONObject) payload[0]).opt("data") + "}");
        System.exit(0);
      }
      if (!heard.getAndSet(true)) {
        System.out.println("heard");
      }
    });
    socket.on(Socket.EVENT_DISCONNECT, reason -> {
      if (lost.getAndSet(String.valueOf(reason[0])) == null) {
        System.out.println("lost");
      }
    });
    socket.connect();
    Thread.sleep(60_000);
    System.exit(1);
  }
}
