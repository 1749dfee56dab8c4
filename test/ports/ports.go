// Package ports finds TCP ports for servers that tests start as programs of
// their own, which cannot hand back the port that they were given.
package ports

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// The ports from which Free chooses: below those that Linux gives to outgoing
// connections (32768 and up), so that none is taken between the choice and its use.
const (
	lowest  = 15_000
	highest = 32_000
)

// Free returns the first of n ports in a row on which nobody listens.
func Free(n int) (int, error) {
	for range 1000 {
		first := lowest + rand.IntN(highest-lowest-n)
		if areFree(first, n) {
			return first, nil
		}
	}
	return 0, fmt.Errorf("no %d free ports in a row between %d and %d", n, lowest, highest)
}

func areFree(first, n int) bool {
	for port := first; port < first+n; port++ {
		l, err := net.Listen("tcp", fmt.Sprint(":", port))
		if err != nil || l.Close() != nil {
			return false
		}
	}
	return true
}
