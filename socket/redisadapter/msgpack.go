package redisadapter

import (
	"github.com/tinylib/msgp/msgp"
)

const (
	// maxDepth bounds the nesting of the values that servers send each other.
	maxDepth = 1000
	// envelopeDepth is what a message may add to it.
	envelopeDepth = 8
)

func appendStrings(b []byte, list []string) []byte {
	b = msgp.AppendArrayHeader(b, uint32(len(list)))
	for _, s := range list {
		b = msgp.AppendString(b, s)
	}
	return b
}
