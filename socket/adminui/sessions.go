package adminui

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// maxSessions bounds the sessions in memory.
const maxSessions = 1000

// Memory keeps sessions in this process.
type Memory struct {
	now func() time.Time

	mu   sync.Mutex
	ends map[string]time.Time
}

// NewMemory returns a store without sessions; now is the clock.
func NewMemory(now func() time.Time) *Memory {
	return &Memory{now: now, ends: make(map[string]time.Time)}
}

// Save implements Sessions. Beyond a thousand sessions the one that would end
// first makes room.
func (m *Memory) Save(_ context.Context, id string, ends time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, first := m.now(), id
	m.ends[id] = ends
	for other, end := range m.ends {
		switch {
		case !now.Before(end):
			delete(m.ends, other)
		case end.Before(m.ends[first]):
			first = other
		}
	}
	if len(m.ends) > maxSessions {
		delete(m.ends, first)
	}
	return nil
}

// Ends implements Sessions.
func (m *Memory) Ends(_ context.Context, id string) (time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ends := m.ends[id]
	if !m.now().Before(ends) {
		delete(m.ends, id)
		return time.Time{}, nil
	}
	return ends, nil
}

// sessionPrefix is that of Node's RedisStore: sessions are good at both.
const sessionPrefix = "socket.io-admin#"

// nodeSession is what Node's store writes as the value.
const nodeSession = "true"

// Shared keeps sessions in Redis too, for all servers of the cluster, under the
// keys of Node's RedisStore. While Redis is away, only this process knows them.
type Shared struct {
	client redis.Cmdable
	memory *Memory
	mark   string
}

// NewShared returns the sessions in a Redis. They end with the credentials: other
// servers take them only where theirs are the same.
func NewShared(client redis.Cmdable, c Credentials, now func() time.Time) *Shared {
	sum := sha256.Sum256([]byte(c.User + "\x00" + c.PasswordHash + "\x00" + c.Token))
	return &Shared{client: client, memory: NewMemory(now), mark: hex.EncodeToString(sum[:4])}
}

// Save implements Sessions.
func (s *Shared) Save(ctx context.Context, id string, ends time.Time) error {
	_ = s.memory.Save(ctx, id, ends) // never fails
	if err := s.client.Set(ctx, sessionPrefix+id, s.mark, ends.Sub(s.memory.now())).Err(); err != nil {
		return fmt.Errorf("a session cannot be kept in Redis: %w", err)
	}
	return nil
}

// Ends implements Sessions. A session that was removed from Redis is over.
func (s *Shared) Ends(ctx context.Context, id string) (time.Time, error) {
	value, err := s.client.Get(ctx, sessionPrefix+id).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return time.Time{}, nil
	case err != nil:
		return s.memory.Ends(ctx, id)
	case value != s.mark && value != nodeSession:
		return time.Time{}, nil // of other credentials
	}
	left, err := s.client.PTTL(ctx, sessionPrefix+id).Result()
	if err != nil || left <= 0 {
		return s.memory.Ends(ctx, id)
	}
	return s.memory.now().Add(left), nil
}
