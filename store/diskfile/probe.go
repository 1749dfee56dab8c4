package diskfile

import (
	"errors"
	"os"
)

// probeSize is how much Probe writes: a block of most file systems.
const probeSize = 4 << 10

// Probe finds out whether a folder takes a new file of 4 KiB, of which nothing is
// left, not even after a crash where the system can make files without a name.
// With durable it waits until the disk has it; else the disk need not be touched.
func Probe(dir string, durable bool) error {
	file, remove, err := nameless(dir)
	if err != nil {
		return err
	}
	_, err = file.Write(make([]byte, probeSize))
	if err == nil && durable {
		err = file.Sync()
	}
	return errors.Join(err, file.Close(), remove())
}

// named makes a file with a name that nothing else has.
func named(dir string) (file *os.File, remove func() error, err error) {
	file, err = os.CreateTemp(dir, ".devops-insights-probe-*")
	if err != nil {
		return nil, nil, err
	}
	return file, func() error { return os.Remove(file.Name()) }, nil
}
