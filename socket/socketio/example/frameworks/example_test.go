package frameworks_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v5"

	engineclient "github.com/devops-insights/devops-insights/socket/engineio/client"
	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/socket/socketio/client"
)

// newServer answers the event "hello".
func newServer() *socketio.Server {
	server := socketio.NewServer(socketio.Options{})
	server.Of("/").On("hello", func(_ *socketio.Socket, args socketio.Args, ack socketio.Ack) {
		var name string
		if args.Decode(0, &name) != nil {
			name = "stranger"
		}
		_ = ack("hello, " + name)
	})
	return server
}

// greet serves the handler, and says hello over websocket, polling, and polling
// that is upgraded.
func greet(handler http.Handler, server *socketio.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	web := httptest.NewServer(handler)
	for _, transports := range [][]string{{"websocket"}, {"polling"}, {"polling", "websocket"}} {
		options := client.Options{Engine: engineclient.Options{Transports: transports}}
		c, err := client.New(web.URL, options)
		if err != nil {
			fmt.Println(err)
			return
		}
		s := c.Of("/")
		if err := s.Connect(ctx); err != nil {
			fmt.Println(err)
			return
		}
		answer, err := client.Ask[string](ctx, s, "hello", "ada")
		fmt.Println(answer, err)
		if err := c.Close(ctx); err != nil {
			fmt.Println(err)
		}
	}
	if err := server.Close(ctx); err != nil { // before the web server: its requests end with it
		fmt.Println(err)
	}
	web.Close()
}

// The server is an http.Handler for the path /socket.io/.
func Example_netHTTP() {
	server := newServer()
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", server)
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) })
	greet(mux, server)
	// Output:
	// hello, ada <nil>
	// hello, ada <nil>
	// hello, ada <nil>
}

// All methods of the path go to the server: GET and POST for polling, OPTIONS
// for pages of other origins.
func Example_gin() {
	server := newServer()
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.Any("/socket.io/", gin.WrapH(server))
	router.GET("/health", func(c *gin.Context) { c.String(http.StatusOK, "ok") })
	greet(router, server)
	// Output:
	// hello, ada <nil>
	// hello, ada <nil>
	// hello, ada <nil>
}

// Leave the path out of middleware that compresses or buffers responses.
func Example_echo() {
	server := newServer()
	router := echo.New()
	router.Any("/socket.io/", echo.WrapHandler(server))
	router.GET("/health", func(c *echo.Context) error { return c.String(http.StatusOK, "ok") })
	greet(router, server)
	// Output:
	// hello, ada <nil>
	// hello, ada <nil>
	// hello, ada <nil>
}

// Handle, not Mount: the server expects the whole path.
func Example_chi() {
	server := newServer()
	router := chi.NewRouter()
	router.Handle("/socket.io/", server)
	router.Get("/health", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) })
	greet(router, server)
	// Output:
	// hello, ada <nil>
	// hello, ada <nil>
	// hello, ada <nil>
}
