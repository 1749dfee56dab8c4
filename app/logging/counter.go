package logging

import (
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/app/errclass"
)

// Kind is one kind of trouble: the warnings and errors of one part, or with one
// sentence, that have one cause.
type Kind struct {
	// Part is the part that the lines name; where they name none, Message is their
	// sentence.
	Part    string `json:"part,omitempty"`
	Message string `json:"message,omitempty"`
	// Class is the cause as a short stable word; empty where the lines have none.
	Class string `json:"class,omitempty"`
	// Level is warning or error: that of the last line.
	Level string    `json:"level"`
	Count uint64    `json:"count"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// maxKinds bounds the kinds; a further one takes the place of the one that was
// seen last the longest time ago.
const maxKinds = 100

// maxMessage bounds what a kind keeps of a sentence, in bytes.
const maxMessage = 200

// Counter counts the warnings and errors of a log by their kind: it is a hook of
// logrus. It keeps no text of an error, which may hold addresses. It is safe for
// concurrent use.
type Counter struct {
	mu    sync.Mutex
	kinds map[kindKey]*Kind
}

type kindKey struct{ part, message, class string }

// Levels implements logrus.Hook.
func (c *Counter) Levels() []logrus.Level {
	return []logrus.Level{logrus.PanicLevel, logrus.FatalLevel, logrus.ErrorLevel, logrus.WarnLevel}
}

// Fire implements logrus.Hook.
func (c *Counter) Fire(e *logrus.Entry) error {
	key := kindKey{class: classOf(e.Data)}
	if part, ok := e.Data["part"].(string); ok && part != "" {
		key.part = part
	} else {
		key.message = cutMessage(e.Message)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.kinds[key]
	if k == nil {
		c.makeRoom()
		k = &Kind{Part: key.part, Message: key.message, Class: key.class, First: e.Time}
		c.kinds[key] = k
	}
	k.Count++
	k.Last, k.Level = e.Time, levelName(e.Level)
	return nil
}

// makeRoom lets go of the kind that has not been seen for the longest time; the
// lock is held.
func (c *Counter) makeRoom() {
	if c.kinds == nil {
		c.kinds = make(map[kindKey]*Kind)
	}
	if len(c.kinds) < maxKinds {
		return
	}
	var oldest kindKey
	var at time.Time
	for key, k := range c.kinds {
		if at.IsZero() || k.Last.Before(at) {
			oldest, at = key, k.Last
		}
	}
	delete(c.kinds, oldest)
}

// Kinds returns what was counted, the latest first; never nil.
func (c *Counter) Kinds() []Kind {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]Kind, 0, len(c.kinds))
	for _, k := range c.kinds {
		all = append(all, *k)
	}
	slices.SortFunc(all, func(a, b Kind) int { return b.Last.Compare(a.Last) })
	return all
}

// classOf is the class of a line: what it says, else that of its error.
func classOf(fields logrus.Fields) string {
	if class, ok := fields[classField].(string); ok {
		return class
	}
	for _, name := range []string{logrus.ErrorKey, errorField} {
		if err, ok := fields[name].(error); ok {
			return errclass.Of(err)
		}
	}
	return ""
}

func levelName(l logrus.Level) string {
	if l == logrus.WarnLevel {
		return "warning"
	}
	return "error"
}

// cutMessage is the beginning of a sentence, whole in UTF-8.
func cutMessage(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	end := maxMessage
	for end > 0 && s[end]&0xC0 == 0x80 {
		end--
	}
	return s[:end] + "…"
}
