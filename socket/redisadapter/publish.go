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

// send queues a message and never waits.
func (c *Cluster) send(channel string, body []byte) error {
	if c.held.Add(int64(len(body))+1) > c.o.QueueBytes {
		c.held.Add(-int64(len(body)) - 1)
		c.dropped.Add(1)
		return fmt.Errorf("%d bytes wait for Redis already: %w", c.o.QueueBytes, ErrDisconnected)
	}
	select {
	case c.out <- outgoing{channel, body, time.Now()}:
		return nil
	default:
		c.held.Add(-int64(len(body)) - 1)
		c.dropped.Add(1)
		return fmt.Errorf("%d messages wait for Redis already: %w", c.o.Queue, ErrDisconnected)
	}
}

// publish sends the queue in its order, in as few round trips as there are,
// and tells when messages get through again after some did not.
func (c *Cluster) publish(ctx context.Context) {
	batch := make([]outgoing, 0, publishBatch)
	for told := uint64(0); ; {
		var probe <-chan time.Time
		if c.dropped.Load() != told {
			probe = time.After(probePeriod)
		}
		batch = batch[:0]
		select {
		case m := <-c.out:
			batch = c.gather(append(batch, m))
		case <-probe:
		case <-ctx.Done():
			return
		}
		batch = c.fresh(batch)
		lost := c.dropped.Load()
		if c.flush(ctx, batch) && lost != told {
			told = lost
			if c.o.OnLoss != nil {
				c.work.Go(c.o.OnLoss)
			}
		}
	}
}

// gather adds what waits already.
func (c *Cluster) gather(batch []outgoing) []outgoing {
	for size := len(batch[0].body); len(batch) < publishBatch && size < publishBytes; {
		select {
		case m := <-c.out:
			batch, size = append(batch, m), size+len(m.body)
		default:
			return batch
		}
	}
	return batch
}

// fresh leaves out what has waited too long.
func (c *Cluster) fresh(batch []outgoing) []outgoing {
	return slices.DeleteFunc(batch, func(m outgoing) bool {
		late := time.Since(m.since) > publishTimeout
		if late {
			c.held.Add(-int64(len(m.body)) - 1)
			c.dropped.Add(1)
		}
		return late
	})
}

// once is a command that is not sent again when its answer is lost: Redis may
// have taken it, and the clients of other servers would hear it twice.
type once struct{ *redis.IntCmd }

// NoRetry implements redis.Cmder.
func (once) NoRetry() bool { return true }

// flush sends a batch, or a ping where it is empty, and reports whether Redis
// took all of it.
func (c *Cluster) flush(ctx context.Context, batch []outgoing) bool {
	limited, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	if len(batch) == 0 {
		return c.o.Client.Ping(limited).Err() == nil
	}
	verb := "publish"
	if c.o.Sharded {
		verb = "spublish"
	}
	var size int64
	done, err := c.o.Client.Pipelined(limited, func(p redis.Pipeliner) error {
		for _, m := range batch {
			size += int64(len(m.body)) + 1
			_ = p.Process(limited, once{redis.NewIntCmd(limited, verb, m.channel, m.body)}) // it only queues
		}
		return nil
	})
	c.held.Add(-size)
	failed := uint64(0)
	for _, cmd := range done {
		if cmd.Err() != nil {
			failed++
		}
	}
	c.dropped.Add(failed)
	c.published.Add(uint64(len(batch)) - failed)
	if err != nil && failed > 0 && ctx.Err() == nil {
		c.o.Logger.WithError(err).WithField("messages", failed).Warn("redis did not take messages for the other servers")
	}
	return failed == 0
}

// servers returns how many servers of a namespace there are, this one included.
func (c *Cluster) servers(ctx context.Context, channel string) (int, error) {
	count := func(ctx context.Context, on redis.Cmdable) (int64, error) {
		if c.o.Sharded {
			n, err := on.PubSubShardNumSub(ctx, channel).Result()
			return n[channel], err
		}
		n, err := on.PubSubNumSub(ctx, channel).Result()
		return n[channel], err
	}
	all, clustered := c.o.Client.(*redis.ClusterClient)
	if !clustered {
		n, err := count(ctx, c.o.Client)
		return int(n), err
	}
	if c.o.Sharded {
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
