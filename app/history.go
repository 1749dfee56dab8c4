package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/boltstore"
	"github.com/devops-insights/devops-insights/store/mongostore"
)

// History is a store as the commands use it that move rows.
type History interface {
	Scan(ctx context.Context, q store.Query, each func(store.Metric) error) error
	Import(ctx context.Context, rows []store.Metric) (added int, err error)
	Watch(ctx context.Context, ready func(), handle func(context.Context, store.Change) error) error
	io.Closer
}

// HistoryOptions says how a store is opened.
type HistoryOptions struct {
	Config config.Config
	// File is that of an embedded store; empty: the store of the settings.
	File string
	// Create makes a file that is missing.
	Create bool
	// Logger hears of what the store says. Nil: nobody does.
	Logger *logrus.Logger
}

// ErrInUse says that a server uses the file of the embedded store.
var ErrInUse = errors.New("a server uses the file")

// OpenHistory opens the store of the settings, or a file, beside or in the place
// of the server. It deletes no rows.
func OpenHistory(ctx context.Context, o HistoryOptions) (History, error) {
	if o.File == "" && o.Config.DatabaseURL != "" {
		db, err := mongostore.Open(ctx, mongostore.Options{URL: o.Config.DatabaseURL, Retention: o.Config.Retention, Logger: o.Logger})
		if err != nil {
			return nil, err
		}
		return asHistory(db)
	}
	path := o.File
	if path == "" {
		path = filepath.Join(o.Config.DataDir, boltstore.FileName)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && o.Create:
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			return nil, fmt.Errorf("the directory of %s cannot be made: %w", path, err)
		}
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no store: %s does not exist; DATA_DIR, DATABASE_URL or --file say where it is", path)
	case err != nil:
		return nil, fmt.Errorf("the store cannot be opened: %w", err)
	case !info.Mode().IsRegular() || info.Size() == 0 && !o.Create:
		return nil, fmt.Errorf("%s is no file of an embedded store", path)
	}
	db, err := boltstore.Open(boltstore.Options{Path: path, Retention: -1})
	if errors.Is(err, boltstore.ErrLocked) {
		return nil, fmt.Errorf("%s: %w", path, ErrInUse)
	}
	if err != nil {
		return nil, err
	}
	return asHistory(db)
}

func asHistory(db store.Store) (History, error) {
	if h, ok := db.(History); ok {
		return h, nil
	}
	return nil, errors.Join(errors.New("this store cannot be imported into"), db.Close())
}

// CheckStored returns an error where the store holds other apis but not this one:
// most likely a setting is missing. A source that is neither stored nor in the
// catalog is an error too; empty stands for all.
func CheckStored(ctx context.Context, h History, catalog store.Catalog, api, source string) error {
	stored := make(map[string][]string) // the sources of each api
	found := errors.New("the snapshot is over")
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err := h.Watch(ctx, func() { cancel(found) }, func(_ context.Context, c store.Change) error {
		if !slices.Contains(stored[c.API], c.Source) {
			stored[c.API] = append(stored[c.API], c.Source)
		}
		return nil
	})
	if err != nil && context.Cause(ctx) != found { //nolint:errorlint // it is compared with itself
		return err
	}
	var sources []string
	if known, ok := catalog.Find(api); ok {
		sources = known.Sources()
	}
	sources = append(sources, stored[api]...)
	switch {
	case source != "" && !slices.Contains(sources, source):
		slices.Sort(sources)
		return fmt.Errorf("there is no region %q: --source can be %s", source, strings.Join(slices.Compact(sources), ", "))
	case len(stored) == 0 || stored[api] != nil:
		return nil
	}
	apis := slices.Sorted(maps.Keys(stored))
	return fmt.Errorf("nothing is stored of the api %q, but of %s: set EXTERNAL_API_NAME or --api", api, strings.Join(apis, ", "))
}
