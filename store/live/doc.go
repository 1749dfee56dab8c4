// Package live holds the newest value of every region of every API, and what each dashboard
// has been sent of them. Its central type is View. It never knows which database
// keeps the values, how a frame looks, or what HTTP is.
//
// A value goes one way: poll, save, feed, view, room, frame. The feed of the
// store hands every change to View.Apply; what Apply takes for news it sends
// to the room of the region and keeps as the newest value in the same step.
//
// # What orders the values of a region
//
// The order in which the feed hands them on, and nothing else. The view gives
// each one a sequence number of its own. Time stamps are shown and stored, and
// decide nothing: a clock that is an hour ahead, on any machine, can spoil the
// time stamp of a value and not its place.
//
//   - Embedded store: one goroutine commits and feeds. The order of the commits
//     is the order of the feed.
//   - MongoDB with change streams: the stream is the order, the same for every
//     instance. Each instance sends to its own dashboards only.
//   - MongoDB without change streams: one instance holds the lease and polls.
//     Its own writes are its feed, and it sends to the dashboards of every
//     instance over Redis. The others get the values in the order in which
//     Redis passes them on: one publisher's in the order of its writes. An old
//     holder of the lease, and a queue that stood still, may bring something
//     late. What seems late by the clocks, or was sent a short while ago, is sent
//     only after a look into the store, and everything else is followed by one: the store has the last
//     word. A wrong clock costs the time of that look, or shows an old value
//     for as long.
//   - A cluster with Node instances: they announce over Redis what they have
//     stored, every instance once, so each value comes several times and late.
//     Where this instance has a change stream it needs none of that: what the
//     store holds comes by the stream, and the announcement is left out. Where
//     it has none, an announcement of the value that was sent last is left out.
//   - Somebody outside announces a value that the store never had
//     (redis-emitter, a script): it is sent. The feed's next change follows it.
//   - After a gap, in Redis or in the stream, the feed hands on the latest
//     values of the store as a snapshot, in their place in its order. Those that
//     differ from what was sent are news.
//
// # Which APIs and regions
//
// One view serves all APIs, because one feed brings them all: a change stream
// that each API followed for itself would cost the database as many streams, and
// a look into the store as many reads. What belongs to one API alone, the answer
// with all its regions and what each dashboard has of them, is kept apart. The
// catalog says what is served. The values of other APIs and regions that the
// store holds are kept and nothing more: where another catalog takes its place,
// View.Adopt has no need to ask a store, which may be away.
//
// # What a dashboard has been sent
//
// An answer is noted with the sequence number of the newest value in it. When the
// dashboard subscribes later, and the region has a newer one by then, it gets
// that one with the subscription. Sending, answering a subscriber and
// subscribing exclude each other for a region, so that no dashboard hears an
// older value after a newer one, hears one twice, or misses one in between.
package live
