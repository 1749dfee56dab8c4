// Package diskfile has what files need beyond package os so that a crash or a second
// process does no harm to them. It knows nothing of what is in them.
package diskfile

import (
	"errors"
	"os"
)

// SyncFolder makes the names in a folder durable.
func SyncFolder(dir string) error {
	folder, err := os.Open(dir) // #nosec G304 -- the folder is a setting.
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
