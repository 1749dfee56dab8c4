//go:build !unix

package boltstore

import "os"

// release closes a file; the system gives back its lock.
func release(f *os.File) error { return f.Close() }
