//go:build linux || darwin || freebsd

package diskfile

import "golang.org/x/sys/unix"

// Space returns the bytes of the file system that the folder is on: those that
// this program may still use, and all. ok is false where the system does not
// tell.
func Space(dir string) (free, all uint64, ok bool, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0, false, err
	}
	block, left := uint64(s.Bsize), uint64(max(int64(s.Bavail), 0)) //nolint:gosec,unconvert // sizes; their types differ between systems
	return left * block, s.Blocks * block, s.Blocks > 0, nil
}
