package flags

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"stasis/client"
	"stasis/internal/network"
)

// systemDatabase is the only one that backup commands may name.
const systemDatabase = "_system"

// logLevels are the values of --log.level, the most severe first. Of the last three there
// are no lines of their own.
var logLevels = []string{"fatal", "error", "warning", "info", "warn", "debug", "trace"}

// Backup are the flags that all backup commands share, named as arangobackup names them.
type Backup struct {
	Coordinator
	LogLevel string
	JSON     bool

	authentication    bool
	database          string
	connectionTimeout float64
	requestTimeout    float64
	configuration     string
	ofServer          string // a flag about the server that is on the command line
}

// GivenOfServer returns a flag about the server that is on the command line, "" if there is none. A
// configuration file does not count: it is for all commands.
func (b *Backup) GivenOfServer() string { return b.ofServer }

// AddToGroup adds the flags to all commands of a group.
func (b *Backup) AddToGroup(cmd *cobra.Command) {
	b.addToGroup(cmd)
	f := cmd.PersistentFlags()
	f.BoolVar(&b.authentication, "server.authentication", false, "send user name and password; default: true if one of them is given")
	f.StringVar(&b.database, "server.database", systemDatabase, "`name` of the database: only _system, because a backup is of the whole deployment")
	f.Float64Var(&b.connectionTimeout, "server.connection-timeout", 5, "`seconds` to wait for a connection")
	f.Float64Var(&b.requestTimeout, "server.request-timeout", 1200, "`seconds` to wait for an answer")
	f.StringVar(&b.configuration, "configuration", "", "INI `file` with options: [server] endpoint = …")
	f.StringVar(&b.LogLevel, "log.level", "info", "`level` of what is shown: info, warning, error or fatal")
	f.BoolVar(&b.JSON, "json", false, "print the server's result as JSON")
}

// Check reads the configuration file, refuses what cannot work, and asks for a password if
// one is needed.
func (b *Backup) Check(cmd *cobra.Command) error {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if strings.HasPrefix(f.Name, prefixed) {
			b.ofServer = f.Name
		}
	})
	if b.configuration != "" {
		if err := readConfiguration(cmd, b.configuration); err != nil {
			return err
		}
	}
	if b.LogLevel = strings.ToLower(b.LogLevel); !slices.Contains(logLevels, b.LogLevel) {
		return fmt.Errorf("--log.level %q: want info, warning, error or fatal", b.LogLevel)
	}
	if b.database != systemDatabase {
		return fmt.Errorf("--server.database %q: a hot backup is of the whole deployment, so only _system can be named", b.database)
	}
	if !(b.connectionTimeout > 0 && b.requestTimeout > 0) {
		return errors.New("--server.connection-timeout and --server.request-timeout must be positive")
	}
	given := func(name string) bool { return cmd.Flags().Changed(prefixed + name) }
	if !given("authentication") && (given("username") || given("password")) {
		b.authentication = true // or they would be dropped in silence
	}
	if b.authentication && !given("password") {
		return b.askPassword(cmd)
	}
	return nil
}

// askPassword asks for the password on a terminal. Elsewhere it is empty.
func (b *Backup) askPassword(cmd *cobra.Command) error {
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return nil
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "Password for %s: ", b.Username)
	secret, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(cmd.ErrOrStderr())
	if err != nil {
		return fmt.Errorf("reading the password: %w", err)
	}
	b.Password = string(secret)
	return nil
}

// Client makes a client of the coordinator.
func (b *Backup) Client() (*client.Client, error) {
	h := network.NewHTTPClient(dialLimit{network.TCP(), Seconds(b.connectionTimeout)})
	h.Timeout = Seconds(b.requestTimeout)
	opts := client.Options{HTTP: h}
	if b.authentication {
		opts.Username, opts.Password = b.Username, b.Password
	}
	return client.New(b.Endpoint, opts)
}

// dialLimit is a network on which connecting takes at most limit.
type dialLimit struct {
	network.Network
	limit time.Duration
}

func (d dialLimit) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.limit)
	defer cancel()
	return d.Network.DialContext(ctx, network, address)
}

// Seconds is a number of seconds as a duration, the longest one if it is too many.
func Seconds(s float64) time.Duration {
	if s >= math.MaxInt64/float64(time.Second) {
		return math.MaxInt64
	}
	return time.Duration(s * float64(time.Second))
}
