package adminui

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/chromedp/chromedp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/crypto/bcrypt"

	"github.com/devops-insights/devops-insights/app"
	"github.com/devops-insights/devops-insights/test/chromium"
	"github.com/devops-insights/devops-insights/test/kit"
)

const password = "correct horse battery"

// hash is that of the password.
var hash string

var _ = BeforeSuite(func() {
	b, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	Expect(err).NotTo(HaveOccurred())
	hash = string(b)
})

// ui serves the files of the npm package, as a page of its own origin.
func ui() *httptest.Server {
	GinkgoHelper()
	dist := "../js/node_modules/@socket.io/admin-ui/ui/dist"
	_, err := os.Stat(filepath.Join(dist, "index.html"))
	Expect(err).NotTo(HaveOccurred(), "the npm packages are needed: make deps installs them")
	s := httptest.NewServer(http.FileServer(http.Dir(dist)))
	DeferCleanup(s.Close)
	return s
}

// administrated starts a server that this page may administrate.
func administrated(page *httptest.Server, mode, level string, change ...func(*app.Options)) *kit.Server {
	GinkgoHelper()
	return kit.Start(GinkgoTB(), append([]func(*app.Options){func(o *app.Options) {
		c := &o.Config
		c.AdminUI.AdminUI, c.AdminUIMode, c.AdminUIPassword, c.AdminUIOrigins = level, mode, hash, page.URL
	}}, change...)...)
}

// browser is the page in Chromium.
type browser struct{ ctx context.Context }

func open(page *httptest.Server) browser {
	GinkgoHelper()
	b := browser{chromium.Start(GinkgoT(), 2*time.Minute, chromedp.WindowSize(1280, 800))}
	b.do(chromedp.Navigate(page.URL))
	return b
}

func (b browser) do(actions ...chromedp.Action[chromedp.Void]) {
	GinkgoHelper()
	Expect(chromedp.Do(b.ctx, actions...)).To(Succeed())
}

// text is what the page shows.
func (b browser) text() string {
	text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
	return text
}

// picture keeps what the page shows, for a person to look at.
func (b browser) picture(name string) {
	GinkgoHelper()
	dir := os.Getenv("ADMIN_UI_PICTURES")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	Expect(err).NotTo(HaveOccurred())
	Expect(os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600)).To(Succeed())
}

// logIn fills the form of the page and sends it.
func (b browser) logIn(server *kit.Server, user, password string) {
	GinkgoHelper()
	b.do(chromedp.WaitVisible(chromedp.Search(`//label[text()="Password"]`)))
	sent, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](fmt.Sprintf(`(() => {
		const form = document.querySelector("form");
		for (const [name, value] of Object.entries({ "Server URL": %q, Username: %q, Password: %q })) {
			const label = [...form.querySelectorAll("label")].find((l) => l.textContent === name);
			const input = document.getElementById(label.htmlFor);
			input.value = value;
			input.dispatchEvent(new Event("input"));
		}
		setTimeout(() => form.requestSubmit());
		return true;
	})()`, server.URL, user, password)))
	Expect(err).NotTo(HaveOccurred())
	Expect(sent).To(BeTrue())
}
