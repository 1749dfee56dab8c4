package mongostore

import (
	"sync"

	"github.com/sirupsen/logrus"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// unreadable are the documents that were left out because they cannot be read:
// a field of a wrong type, data without end.
type unreadable struct {
	mu   sync.Mutex
	seen map[string]struct{} // collection and _id
}

// maxUnreadable bounds the documents that are told apart, and maxReported the
// lines about them.
const (
	maxUnreadable = 10_000
	maxReported   = 20
)

// add counts a document and logs it when it is met for the first time.
func (u *unreadable) add(log logrus.FieldLogger, collection string, id bson.RawValue, why error) {
	key := collection + " " + string(rune(id.Type)) + string(id.Value)
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, known := u.seen[key]; known || len(u.seen) >= maxUnreadable {
		return
	}
	if u.seen == nil {
		u.seen = make(map[string]struct{})
	}
	u.seen[key] = struct{}{}
	if len(u.seen) > maxReported {
		return
	}
	line := log.WithError(why).WithFields(logrus.Fields{"collection": collection, "_id": id.String()})
	line.Error("a document cannot be read and is left out: mend or remove it")
	if len(u.seen) == maxReported {
		log.Error("more documents that cannot be read are counted and not logged")
	}
}

// Unreadable returns how many documents were left out so far because they
// cannot be read; a document counts once.
func (s *Store) Unreadable() int {
	s.unreadable.mu.Lock()
	defer s.unreadable.mu.Unlock()
	return len(s.unreadable.seen)
}
