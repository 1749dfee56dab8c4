package mongostore

import (
	"context"
	"sync"

	"github.com/devops-insights/devops-insights/store"
)

// regionState is what Save keeps of one region. Who has the turn may use it.
type regionState struct {
	turn        chan struct{} // holds one element while a save is under way
	memo        hashMemo
	unconfirmed *store.Change // a write whose answer was lost: stored, or not
}

// lock waits for the turn. The saves of one region follow each other, each
// until its change is announced, so that changes are announced in their order.
func (r *regionState) lock(ctx context.Context) error {
	select {
	case r.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *regionState) unlock() { <-r.turn }

// confirm returns the change whose answer was lost, if the region now is in the
// state that it made.
func (r *regionState) confirm(now *version) (store.Change, bool) {
	if r.unconfirmed == nil || now == nil || now.hashText != r.unconfirmed.Hash || !now.updatedAt.Equal(r.unconfirmed.UpdatedAt) {
		return store.Change{}, false
	}
	confirmed := *r.unconfirmed
	r.unconfirmed = nil
	return confirmed, true
}

// hashMemo remembers the text that came last and the value that it spells: to
// find that out again costs more than the rest of a poll that brings nothing
// new.
type hashMemo struct{ last hashPair }

// hashPair is the hash of a text and that of its value as it is stored.
type hashPair struct{ text, value string }

// prepare returns the hash of the value that a sample spells, and the value
// itself where it had to be made.
func (m *hashMemo) prepare(s store.Sample) (hash string, in *incoming, err error) {
	text := store.Hash(s.Data)
	if m.last.text == text {
		return m.last.value, nil, nil
	}
	made, err := prepare(s)
	if err != nil {
		return "", nil, err
	}
	m.last = hashPair{text, made.hash}
	return made.hash, &made, nil
}

// regionStates are those of all regions that this process has saved.
type regionStates struct {
	mu  sync.Mutex
	all map[region]*regionState
}

func (r *regionStates) of(api, source string) *regionState {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = make(map[region]*regionState)
	}
	at := region{api, source}
	if r.all[at] == nil {
		r.all[at] = &regionState{turn: make(chan struct{}, 1)}
	}
	return r.all[at]
}
