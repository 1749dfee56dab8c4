use rust_socketio::{ClientBuilder, Event, Payload, RawClient, TransportType};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

/// Connects and subscribes to a region, says what it sees, and prints one JSON
/// object when it is back after the server has stopped and hears of its region
/// again.
/// usage: shutdown <url> <transports>
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let transport = match args[2].as_str() {
        "websocket" => TransportType::Websocket,
        "polling" => TransportType::Polling,
        _ => TransportType::WebsocketUpgrade,
    };
    let lost = Arc::new(AtomicBool::new(false));
    let (lost_at_connect, lost_at_update) = (lost.clone(), lost.clone());
    let heard = AtomicBool::new(false);
    let client = ClientBuilder::new(&args[1])
        .transport_type(transport)
        .reconnect(true)
        .reconnect_on_disconnect(true)
        .reconnect_delay(50, 200)
        .on(Event::Connect, move |_: Payload, client: RawClient| {
            if !lost_at_connect.load(Ordering::SeqCst) {
                println!("connected");
            }
            client
                .emit("metrics:subscribe", "{\"source\":\"us-east\"}")
                .expect("the subscription");
        })
        .on("metrics-update", move |payload: Payload, _: RawClient| {
            if lost_at_update.load(Ordering::SeqCst) {
                if let Payload::Text(values) = payload {
                    println!("{{\"back\":true,\"update\":{}}}", values[0]["data"]);
                    std::process::exit(0);
                }
            }
            if !heard.swap(true, Ordering::SeqCst) {
                println!("heard");
            }
        })
        .on(Event::Close, move |_: Payload, _: RawClient| {
            if !lost.swap(true, Ordering::SeqCst) {
                println!("lost");
            }
        })
        .on(Event::Error, |e: Payload, _: RawClient| eprintln!("error {:?}", e))
        .connect();
    let _client = client.expect("the first connection");
    std::thread::sleep(Duration::from_secs(60));
    std::process::exit(1);
}
