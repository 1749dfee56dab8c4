// Package chromium starts the browser in which suites try pages.
package chromium

import (
	"context"
	"errors"
	"os/exec"
	"time"

	"github.com/chromedp/chromedp"
)

// TB is what the package needs of a test: *testing.T and GinkgoT() both have it.
type TB interface {
	Helper()
	Cleanup(func())
	TempDir() string
	Fatalf(format string, args ...any)
}

// Start starts Chromium, which ends with the test, and returns the context of a
// tab, which ends after the time. Further options follow those that every suite
// needs.
func Start(tb TB, lasts time.Duration, more ...chromedp.ExecAllocatorOption) context.Context {
	tb.Helper()
	path, err := find()
	if err != nil {
		tb.Fatalf("%v", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.UserDataDir(tb.TempDir()))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(options, more...)...)
	tb.Cleanup(stop)
	tab, quit := chromedp.NewContext(allocator)
	tb.Cleanup(quit)
	ctx, cancel := context.WithTimeout(tab, lasts)
	tb.Cleanup(cancel)
	return ctx
}

func find() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no Chromium is there: make deps says what is missing")
}
