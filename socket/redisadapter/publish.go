package redisadapter

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// publishBatch is how many messages travel in one round trip.
	publishBatch = 100
	// publishTimeout bounds one round trip, and the wait for it: a Redis that
	// does not answer costs messages, not memory, and no client hears an old
	// value after a newer one when it is back.
	publishTimeout = 2 * time.Second
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

// publish sends the queue in its order, in as few round trips as there are.
func (c *Cluster) publish(ctx context.Context) {
	batch := make([]outgoing, 0, publishBatch)
	for {
		select {
		case m := <-c.out:
			batch = append(batch[:0], m)
		case <-ctx.Done():
			return
		}
	more:
		for len(batch) < publishBatch {
			select {
			case m := <-c.out:
				batch = append(batch, m)
			default:
				break more
			}
		}
		if batch = c.fresh(batch); len(batch) > 0 {
			c.flush(ctx, batch)
		}
	}
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

func (c *Cluster) flush(ctx context.Context, batch []outgoing) {
	limited, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	var size int64
	done, err := c.o.Client.Pipelined(limited, func(p redis.Pipeliner) error {
		for _, m := range batch {
			size += int64(len(m.body)) + 1
			if c.o.Sharded {
				p.SPublish(limited, m.channel, m.body)
			} else {
				p.Publish(limited, m.channel, m.body)
			}
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
