package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/devops-insights/devops-insights/store/boltstore"
)

// Verify examines a copy; what is wrong with it is an error.
func Verify(path string) (boltstore.Findings, error) {
	found, err := boltstore.Check(path)
	if err == nil && found.Count > 0 {
		err = fmt.Errorf("the copy has %d problems: %w: %s", found.Count, boltstore.ErrDamaged, found.Problems[0])
	}
	return found, err
}

// Restore puts a copy in the place of the file of the embedded store, which no
// process may use. The copy is examined before, and the file that was there
// stays beside the new one. An error leaves it as it is.
func Restore(ctx context.Context, name, path string) (r boltstore.Restored, err error) {
	in, err := os.Open(name) // #nosec G304 -- the person who runs the program names it.
	if err != nil {
		return r, fmt.Errorf("the backup cannot be read: %w", err)
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	from, err := in.Stat()
	if err != nil {
		return r, err
	}
	if there, err := os.Stat(path); err == nil && os.SameFile(from, there) {
		return r, fmt.Errorf("%s is the very file that would be replaced", name)
	}
	return boltstore.Restore(path, untilDone{ctx, in})
}

// untilDone is a reader that fails when its time is over.
type untilDone struct {
	ctx context.Context
	in  io.Reader
}

func (u untilDone) Read(b []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.in.Read(b)
}
