package app

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/devops-insights/devops-insights/app/config"
)

// settingAtFault turns an error of the start into one of the settings where no
// later moment can mend it: somebody has to change a setting or a permission.
func settingAtFault(err error) error {
	for _, lasting := range []error{fs.ErrPermission, fs.ErrNotExist, syscall.ENOTDIR, syscall.EISDIR, syscall.EROFS, syscall.ENAMETOOLONG} {
		if errors.Is(err, lasting) {
			return &config.Error{Problems: []string{err.Error()}}
		}
	}
	return err
}
