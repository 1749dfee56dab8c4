//go:build !linux

package diskfile

import "os"

func nameless(dir string) (file *os.File, remove func() error, err error) { return named(dir) }
