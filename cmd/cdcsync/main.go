// Command cdcsync copies the tables of a database into a lake and keeps them equal. Each command has a file of its own;
// connectors.go is the only place that names connectors.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/cdcsync/cdcsync/pipeline/config"
)

// version is set by the linker.
var version = "dev"

// The exit codes.
const (
	exitFine   = 0
	exitFailed = 1
	exitUsage  = 2 // wrong usage, or a wrong pipeline file
)

func main() {
	a := &app{out: os.Stdout, err: os.Stderr, env: os.LookupEnv}
	ctx, stop := untilSignal(context.Background(), a.err)
	code := a.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// untilSignal returns a context that the first SIGINT or SIGTERM cancels. The second one ends the process at once: what
// is not committed is read again at the next start.
func untilSignal(ctx context.Context, say io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { // ends with the process
		<-signals
		cancel()
		<-signals
		fmt.Fprintln(say, "stopped at once: what was not committed is read again at the next start")
		os.Exit(exitFailed)
	}()
	return ctx, func() { signal.Stop(signals); cancel() }
}

// An app is what a command may use of the world.
type app struct {
	out, err io.Writer
	env      config.Env
}

// A command is one word after cdcsync.
type command struct {
	name    string
	args    string
	summary string
	detail  string
	run     func(ctx context.Context, a *app, c *call) error
	flags   func(c *call)
}

// commands returns all commands, in the order that help shows them.
func commands() []*command {
	return []*command{
		runCommand(), checkCommand(), planCommand(), stateCommand(), peekCommand(), resyncCommand(), versionCommand(), helpCommand(),
	}
}

// errFailed ends a command whose output has said why already.
var errFailed = errors.New("failed")

// A usageError is a wrong command line.
type usageError struct {
	text    string
	command *command // nil: of cdcsync itself
}

func (e *usageError) Error() string { return e.text }

// run runs the command that args name and returns the exit code.
func (a *app) run(ctx context.Context, args []string) int {
	err := a.dispatch(ctx, args)
	var usage *usageError
	var wrong *config.Error
	switch {
	case err == nil:
		return exitFine
	case errors.Is(err, errFailed):
		return exitFailed
	case errors.As(err, &usage):
		fmt.Fprintf(a.err, "cdcsync: %s\n%s", usage.text, usageOf(usage.command))
		return exitUsage
	case errors.As(err, &wrong):
		fmt.Fprintln(a.err, err)
		return exitUsage
	case errors.Is(err, errNoFile):
		fmt.Fprintln(a.err, "cdcsync:", err)
		return exitUsage
	}
	fmt.Fprintln(a.err, "cdcsync:", err)
	return exitFailed
}

func (a *app) dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return &usageError{text: "a command is missing"}
	}
	name := strings.TrimLeft(args[0], "-") // --help, --version and -h are commands to people
	if name == "h" {
		name = "help"
	}
	all := commands()
	i := slices.IndexFunc(all, func(c *command) bool { return c.name == name })
	if i < 0 {
		return &usageError{text: fmt.Sprintf("unknown command %q%s", args[0], didYouMean(name, all))}
	}
	c, err := parseCall(all[i], args[1:])
	if err != nil {
		return err
	}
	if c.help {
		fmt.Fprint(a.out, helpOf(all[i]))
		return nil
	}
	return all[i].run(ctx, a, c)
}

func didYouMean(name string, all []*command) string {
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = c.name
	}
	if near := config.Nearest(name, names); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}
