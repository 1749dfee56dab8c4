package redisadapter

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// publishBatch and publishBytes are how much travels in one round trip: a
	// slow Redis takes as much of a burst as it can before it is late.
	publishBatch = 1000
	publishBytes = 1 << 20
	// publishTimeout bounds one round trip, and the wait for it: a Redis that
	// does not answer costs messages, not memory, and no client hears an old
	// value after a newer one when it is back.
	publishTimeout = 2 * time.Second
	// probePeriod is how often Redis is asked for a sign of life after a loss.
	probePeriod = 500 * time.Millisecond
)

// outgoing is a message that waits for Redis.
type outgoing struct {
	channel string
	body    []byte
	since   time.Time
}

// size is what the message counts for; an empty one counts too.
func (m outgoing) size() int64 { return int64(len(m.body)) + 1 }

// publish queues a message and never waits.
func (c *Cluster) publish(channel string, body []byte) error {
	m := outgoing{channel, body, time.Now()}
	if c.queuedBytes.Add(m.size()) > c.options.QueueBytes {
		c.drop(m)
		return fmt.Errorf("%d bytes wait for Redis already: %w", c.options.QueueBytes, ErrDisconnected)
	}
	select {
	case c.queue <- m:
		return nil
	default:
		c.drop(m)
		return fmt.Errorf("%d messages wait for Redis already: %w", c.options.Queue, ErrDisconnected)
	}
}

// drop gives a message up that was counted as queued.
func (c *Cluster) drop(m outgoing) {
	c.queuedBytes.Add(-m.size())
	c.dropped.Add(1)
}

// runPublisher sends the queue in its order, in as few round trips as there
// are, and reports when messages get through again after some did not.
func (c *Cluster) runPublisher(ctx context.Context) {
	batch := make([]outgoing, 0, publishBatch)
	for reported := uint64(0); ; {
		var probe <-chan time.Time
		if c.dropped.Load() != reported {
			probe = time.After(probePeriod)
		}
		batch = batch[:0]
		select {
		case m := <-c.queue:
			batch = c.fillBatch(append(batch, m))
		case <-probe:
		case <-ctx.Done():
			return
		}
		batch = c.dropStale(batch)
		lost := c.dropped.Load()
		if c.flush(ctx, batch) && lost != reported {
			reported = lost
			if c.options.OnPublishLoss != nil {
				c.work.Go(c.options.OnPublishLoss)
			}
		}
	}
}

// fillBatch adds what waits already.
func (c *Cluster) fillBatch(batch []outgoing) []outgoing {
	for size := len(batch[0].body); len(batch) < publishBatch && size < publishBytes; {
		select {
		case m := <-c.queue:
			batch, size = append(batch, m), size+len(m.body)
		default:
			return batch
		}
	}
	return batch
}

// dropStale leaves out what has waited too long.
func (c *Cluster) dropStale(batch []outgoing) []outgoing {
	return slices.DeleteFunc(batch, func(m outgoing) bool {
		late := time.Since(m.since) > publishTimeout
		if late {
			c.drop(m)
		}
		return late
	})
}

// noRetry is a command that is not sent again when its answer is lost: Redis
// may have taken it, and the clients of other servers would hear it twice.
type noRetry struct{ *redis.IntCmd }

// NoRetry implements redis.Cmder.
func (noRetry) NoRetry() bool { return true }

// flush sends a batch, or a ping where it is empty, and reports whether Redis
// took all of it.
func (c *Cluster) flush(ctx context.Context, batch []outgoing) bool {
	limited, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	if len(batch) == 0 {
		return c.options.Client.Ping(limited).Err() == nil
	}
	verb := "publish"
	if c.options.Sharded {
		verb = "spublish"
	}
	var size int64
	done, err := c.options.Client.Pipelined(limited, func(p redis.Pipeliner) error {
		for _, m := range batch {
			size += m.size()
			_ = p.Process(limited, noRetry{redis.NewIntCmd(limited, verb, m.channel, m.body)}) // it only queues
		}
		return nil
	})
	c.queuedBytes.Add(-size)
	failed := uint64(0)
	for _, cmd := range done {
		if cmd.Err() != nil {
			failed++
		}
	}
	c.dropped.Add(failed)
	c.published.Add(uint64(len(batch)) - failed)
	if err != nil && failed > 0 && ctx.Err() == nil {
		c.options.Logger.Warn("redis did not take messages for the other servers", "messages", failed, "error", err)
	}
	return failed == 0
}

// countServers returns how many servers are subscribed to the channel of a
// namespace, this one included.
func (c *Cluster) countServers(ctx context.Context, channel string) (int, error) {
	count := func(ctx context.Context, on redis.Cmdable) (int64, error) {
		if c.options.Sharded {
			n, err := on.PubSubShardNumSub(ctx, channel).Result()
			return n[channel], err
		}
		n, err := on.PubSubNumSub(ctx, channel).Result()
		return n[channel], err
	}
	all, clustered := c.options.Client.(*redis.ClusterClient)
	if !clustered {
		n, err := count(ctx, c.options.Client)
		return int(n), err
	}
	if c.options.Sharded {
		node, err := all.MasterForKey(ctx, channel)
		if err != nil {
			return 0, err
		}
		n, err := count(ctx, node)
		return int(n), err
	}
	total := make(chan int64, 1)
	total <- 0
	err := all.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		n, err := count(ctx, node)
		total <- <-total + n
		return err
	})
	return int(<-total), err
}
