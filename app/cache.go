package app

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/devops-insights/devops-insights/store/cache"
)

// openCache answers the dashboards' questions from memory: for long where
// every change is noted here, for a moment where other instances make some.
func (a *App) openCache() {
	a.cache = cache.New(cache.Options{
		Reader: a.store,
		MaxAge: func() time.Duration {
			if a.everyoneHears() {
				return 30 * time.Second
			}
			return time.Second
		},
		Shared: a.shared(),
	})
}

func (a *App) shared() cache.Shared {
	if a.redis == nil {
		return nil
	}
	return sharedValues{a.redis}
}

// sharedValues lets instances whose values have become old ask the database
// once. The values live for a second; a Redis that is slow is done without.
type sharedValues struct{ client redis.UniversalClient }

const sharedTimeout = 200 * time.Millisecond

func sharedKey(api string) string { return "devops-insights:latest:" + api }

// Get implements cache.Shared.
func (s sharedValues) Get(ctx context.Context, api string) []byte {
	ctx, cancel := context.WithTimeout(ctx, sharedTimeout)
	defer cancel()
	b, err := s.client.Get(ctx, sharedKey(api)).Bytes()
	if err != nil {
		return nil
	}
	return b
}

// Put implements cache.Shared.
func (s sharedValues) Put(ctx context.Context, api string, b []byte) {
	ctx, cancel := context.WithTimeout(ctx, sharedTimeout)
	defer cancel()
	_ = s.client.Set(ctx, sharedKey(api), b, time.Second).Err() // the next instance asks the database
}
