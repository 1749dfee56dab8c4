package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/store/boltstore"
)

// storeUsage says how the command is called.
const storeUsage = "usage: devops-insights store check|repair|compact [FILE]; without FILE it is devops-insights.db in DATA_DIR; no process may use the file"

// storeCommand examines, repairs or compacts the file of the embedded store.
func storeCommand(args []string) int {
	if len(args) == 0 {
		say(os.Stderr, storeUsage)
		return exitConfig
	}
	action, args := args[0], args[1:]
	path := ""
	if len(args) > 0 && !isFlag(args[0]) {
		path, args = args[0], args[1:]
	}
	if path == "" {
		settings, _, err := config.Load(args, os.Environ())
		if err != nil {
			say(os.Stderr, err.Error())
			return exitConfig
		}
		path = filepath.Join(settings.DataDir, boltstore.FileName)
	}
	var err error
	switch action {
	case "check":
		err = checkStore(path)
	case "repair":
		var saved boltstore.Repaired
		if saved, err = boltstore.Repair(path); err == nil {
			fmt.Printf("%s: saved the latest values of %d regions, %d history rows, %d intervals of outcomes, %d chunks of tiers, and %d ledgers and %d records of alerting; the damaged file is %s now\n",
				path, saved.Regions, saved.Rows, saved.Intervals, saved.Chunks, saved.Ledgers, saved.Records, saved.Old)
		}
	case "compact":
		var before, after int64
		if before, after, err = boltstore.Compact(path); err == nil {
			fmt.Printf("%s: %d bytes instead of %d\n", path, after, before)
		}
	default:
		say(os.Stderr, fmt.Sprintf("%q is no action on the store; %s", action, storeUsage))
		return exitConfig
	}
	if err != nil {
		say(os.Stderr, err.Error())
		return exitFailure
	}
	return 0
}

// checkStore prints what is in a file, and returns an error where it is damaged.
func checkStore(path string) error {
	found, err := boltstore.Check(path)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d latest values, %d history rows, %d intervals of outcomes, %d chunks of tiers, and %d ledgers and %d records of alerting are whole\n",
		path, found.Latest, found.Rows, found.Intervals, found.Chunks, found.Ledgers, found.Records)
	if found.Count == 0 {
		return nil
	}
	for _, p := range found.Problems {
		fmt.Println("-", p)
	}
	return fmt.Errorf("%s: %d problems. `devops-insights store repair` saves what can be read into a new file", path, found.Count)
}
