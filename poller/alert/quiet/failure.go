package quiet

import (
	"errors"
	"fmt"
)

// Refused is why a write is not done: the request is wrong. Its text is a sentence
// for the person who asked.
type Refused struct{ sentence string }

// Error implements error.
func (r *Refused) Error() string { return r.sentence }

func refuse(format string, args ...any) error { return &Refused{fmt.Sprintf(format, args...)} }

// The other reasons for which a write is not done. What they are wrapped in is a
// sentence; an error that is none of these came from the store.
var (
	// ErrTaken says that an ID is that of something else.
	ErrTaken = errors.New("this id is taken")
	// ErrFull says that there are as many as are kept.
	ErrFull = errors.New("there are too many")
	// ErrSettings says that a window stands in the settings.
	ErrSettings = errors.New("this window stands in the settings")
)
