//go:build !unix

package diskfile

import "os"

// Lock does nothing where the system has no such locks.
func Lock(*os.File) error { return nil }
