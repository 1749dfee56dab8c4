// Package mongostore keeps metrics in MongoDB, in the collections and documents
// of the Node backend: either can continue the other's database, and both may
// work on it at once. It knows nothing of polling or sockets.
//
// # What orders the changes
//
// A Watch hands on a snapshot of the latest values and then the changes. In
// what order is decided by the database, never by a time stamp in a document.
//
// With change streams it is the order of the stream, which is that of the
// commits. The snapshot is fitted into it in three steps: the stream is opened;
// then the latest values are read, with read concern "majority" and in the
// session of the stream, so that they are not older than its beginning; then
// the stream is drained until the server answers that there are no more events.
// A change that was committed before the stream was opened is in the values. One
// that was committed after the reading comes as an event later. For those in
// between, the region has an event in the drained part: these events are handed
// on in their order and the value that was read is left out, since it is the
// same as one of them or older than the first. A region without an event did
// not change in between: its value is handed on. So no region goes back, and
// none misses its last change.
//
// The same procedure follows when changes may have been missed: a resume token
// that leads nowhere any more, a collection that was dropped, a Refresh. A
// stream that broke off and can be resumed misses nothing and needs none. A
// stream that is mute (open, and silent about a write that is there) is found by
// comparing hashes after Options.Silence, which is measured on the monotonic
// clock; it is opened again, with a snapshot.
//
// Without change streams a Watch hands on what this process stores. The saves
// of one region follow each other, each until its change is announced. For the
// snapshot, saves that are under way are waited for and new ones wait while the
// latest values are read: what was announced before the reading is handed on
// before the snapshot, the rest after it. Changes by other processes are in the
// next snapshot (Refresh); to be told of them earlier takes another channel.
//
// Two writers that change one region at once are ordered by the conditional
// write of Save: it replaces the very state that it has compared with, by _id,
// hash and updatedAt, all for equality; the loser compares again. Nothing asks
// which time stamp is later. Rows of the history are in the order of createdAt,
// the time at which they were taken; _id breaks the ties.
//
// A clock that is wrong, on an instance, on a Node writer or in documents of a
// restored backup, can at worst put a wrong time stamp on a value and a row in a
// wrong place of the history. It hides no change and turns no order around.
package mongostore
