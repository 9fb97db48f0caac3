package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"stasis/client"
	"stasis/internal/network"
)

// serverOptions are the options that all backup commands share, named as the
// reference's program names them.
type serverOptions struct {
	endpoint          string
	username          string
	password          string
	authentication    bool
	database          string
	connectionTimeout float64
	requestTimeout    float64
	configuration     string
	logLevel          string
	json              bool
}

func backupCommand() *cobra.Command {
	o := &serverOptions{}
	cmd := &cobra.Command{
		Use:   "backup create|list|delete|restore|verify|upload|download|remote|transfers",
		Short: "Take, list, delete, restore, verify, upload and download hot backups",
		Args:  cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("backup: say what to do: create, list, delete, restore, verify, upload, download, remote or transfers")
			}
			return fmt.Errorf("backup: unknown command %q; there are create, list, delete, restore, verify, upload, download, remote and transfers", args[0])
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return o.check(cmd) },
	}
	f := cmd.PersistentFlags()
	f.StringVar(&o.endpoint, "server.endpoint", defaultEndpoint, "`URL` of a coordinator")
	f.StringVar(&o.username, "server.username", "root", "user `name`")
	f.StringVar(&o.password, "server.password", "", "password; asked for on a terminal when needed")
	f.BoolVar(&o.authentication, "server.authentication", false, "send user name and password; true when one of them is given")
	f.StringVar(&o.database, "server.database", "_system", "must be _system: a backup is of the whole deployment")
	f.Float64Var(&o.connectionTimeout, "server.connection-timeout", 5, "`seconds` to wait for a connection")
	f.Float64Var(&o.requestTimeout, "server.request-timeout", 1200, "`seconds` to wait for an answer")
	f.StringVar(&o.configuration, "configuration", "", "`file` with options: [server] endpoint = …")
	f.StringVar(&o.logLevel, "log.level", "info", "info, warning, error or fatal: what of the output to show")
	f.BoolVar(&o.json, "json", false, "print the server's result as JSON")
	cmd.SetGlobalNormalizationFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "endpoint" { // as our other commands call it
			name = "server.endpoint"
		}
		return pflag.NormalizedName(name)
	})
	cmd.AddCommand(backupCreateCommand(o), backupListCommand(o), backupDeleteCommand(o), backupRestoreCommand(o), backupVerifyCommand(o),
		backupTransferCommand(o, "upload"), backupTransferCommand(o, "download"), backupTransfersCommand(o), backupRemoteCommand(o))
	return cmd
}

// check reads the configuration file and refuses what cannot work.
func (o *serverOptions) check(cmd *cobra.Command) error {
	if o.configuration != "" {
		if err := readConfiguration(cmd, o.configuration); err != nil {
			return err
		}
	}
	if _, ok := logLevels[strings.ToLower(o.logLevel)]; !ok {
		return fmt.Errorf("--log.level %q: want info, warning, error or fatal", o.logLevel)
	}
	if o.database != "_system" {
		return fmt.Errorf("--server.database %q: a hot backup is of the whole deployment; only _system can be named", o.database)
	}
	if o.connectionTimeout <= 0 || o.requestTimeout <= 0 {
		return errors.New("--server.connection-timeout and --server.request-timeout must be positive")
	}
	given := func(name string) bool { return cmd.Flags().Changed("server." + name) }
	if !given("authentication") && (given("username") || given("password")) {
		o.authentication = true // or they would be dropped in silence
	}
	if o.authentication && !given("password") {
		return o.askPassword(cmd)
	}
	return nil
}

func (o *serverOptions) askPassword(cmd *cobra.Command) error {
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return nil // scripts with an empty password
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "Password for %s: ", o.username)
	secret, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(cmd.ErrOrStderr())
	if err != nil {
		return fmt.Errorf("reading the password: %w", err)
	}
	o.password = string(secret)
	return nil
}

func (o *serverOptions) client() (*client.Client, error) {
	h := network.NewHTTPClient(dialLimit{network.TCP(), seconds(o.connectionTimeout)})
	h.Timeout = seconds(o.requestTimeout)
	opts := client.Options{HTTP: h}
	if o.authentication {
		opts.Username, opts.Password = o.username, o.password
	}
	return client.New(o.endpoint, opts)
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

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// readConfiguration sets the options of an ini file that were not given as flags.
func readConfiguration(cmd *cobra.Command, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("--configuration: %w", err)
	}
	defer f.Close()
	before := map[string]bool{} // given on the command line, which counts more
	cmd.Flags().Visit(func(f *pflag.Flag) { before[f.Name] = true })
	section := ""
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
			continue
		case line[0] == '[' && strings.HasSuffix(line, "]"):
			section = strings.TrimSpace(line[1:len(line)-1]) + "."
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			return fmt.Errorf("%s:%d: want name = value", path, n)
		}
		name = section + strings.TrimSpace(name)
		flag := cmd.Flags().Lookup(name)
		if flag == nil {
			return fmt.Errorf("%s:%d: there is no option %q here", path, n, name)
		}
		if !before[flag.Name] {
			if err := cmd.Flags().Set(flag.Name, strings.TrimSpace(value)); err != nil {
				return fmt.Errorf("%s:%d: %s: %w", path, n, name, err)
			}
		}
	}
	return lines.Err()
}
