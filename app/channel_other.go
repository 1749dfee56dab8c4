//go:build !unix

package app

import (
	"errors"
	"os"
)

// duplicate knows no channel on this system.
func duplicate(int) (*os.File, error) { return nil, errors.ErrUnsupported }
