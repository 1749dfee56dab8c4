// Package lease decides which instance polls. It holds the interface Lease, its
// implementations in Redis, in MongoDB and in both, and a Leader that runs work
// while this instance holds one. It knows nothing of polling.
//
// # Terms
//
// A lease lasts for a term. The holder counts it from before it asked, the
// server from after, so the holder's count ends first. The holder renews it
// after a third, tries again with a backoff where that fails, and stops its
// work when five sixths are over. Terms are measured by clocks that nobody sets:
// the holder's counts while the process is stopped (Leader.Valid), and whoever
// waits counts from when it first saw the term (evidence). The wall clock of the
// database is asked only for how long a term lasts that is seen for the first
// time. So a jump of that clock shortens a term at most for an instance that
// sees the term for the first time after the jump.
//
// # One place decides
//
// A Node instance knows only the key in Redis. Ours may be on Redis and a
// database, and each of them may reach one and not the other, or may be told
// different things by them: Redis out of memory renews a key and sets none. Two
// places that both decide would let two instances poll. So Combined lets the
// record in the database decide, and uses the key in Redis for the others:
//
//   - To take or renew the lease, an instance reads the record, asks Redis for
//     the key, and replaces the very record that it has read. Of several that
//     try at once, one succeeds.
//   - It has the key: the record says so, and for how long it may rely on the
//     key alone (two terms, "reliesUntil").
//   - Somebody else has the key, a Node instance for example: it does not poll,
//     and writes into the record who has the key ("redisHolder").
//   - Redis does not tell: the record alone decides, as long as it names nobody
//     who may have the key or rely on it.
//   - The database does not tell: only an instance that may rely on the key goes
//     on, while it can renew the key. Nobody begins.
//
// # Why no two instances of ours poll at once
//
// Let A poll. Either its term in the record has not ended, and then nobody else
// replaces the record: B's evidence of the term ends after A's own count. Or A
// relies on the key; then its own count of two terms has not ended, and B, which
// reaches the database again, finds "reliesUntil" in the record. If B does not
// reach Redis, it waits for that time, which ends after A's count. If B reaches
// Redis, it either is told that A has the key, or gets it. It gets the key when
// A's has expired, which is after A's count, or when Redis has forgotten it (a
// restart, a failover). Therefore B takes over from an instance that may rely on
// its key only when a whole term has passed in which A cannot have renewed it;
// it watches the key while it waits, so that this costs nothing when A has just
// vanished.
//
// The price: when the holder vanishes and no living instance reaches Redis, the
// next one begins after two terms, not one. And while the database is away, the
// polling ends after two terms at the latest, and after one without Redis.
//
// # Node instances
//
// As long as one instance of ours reaches Redis, ours and those of Node do not
// poll at once, but for the moment in which one yields: the instance that
// reaches Redis holds the key, or tells through the record who does; a holder
// that does not reach Redis reads it at its next renewal and stops, within a
// third of a term. When none of ours reaches Redis, nothing can be promised: a
// Node instance that does may poll beside one of ours. Both then store through
// the same conditional writes, so a change is stored once. A Node instance goes
// on when it loses its lease; that is its own.
//
// # What waits
//
// Values that wait for the database (store/buffer) belong to the turn in which
// they were polled. The record counts the turns (Mongo.Epoch): when another
// instance has had one since, it has stored newer values, and what waits is
// dropped.
//
// # What remains
//
// Valid is asked right before a value is stored. A process that is stopped
// between the answer and the moment at which the database carries out the write
// can still store one value that is old by then. The write has a deadline at the
// end of the term, so it must have been on its way already; the next poll of the
// new holder puts the latest value right.
package lease
