package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/cdcsync/cdcsync/pipeline/config"
)

// A call is a command with its arguments. Flags may stand before and after other arguments.
type call struct {
	command *command
	args    []string
	help    bool
	flags   *flag.FlagSet

	metrics    string
	cpuProfile string
	output     string
	limit      int
	verbose    bool
	all        bool
}

func parseCall(cmd *command, args []string) (*call, error) {
	c := &call{command: cmd, flags: flag.NewFlagSet(cmd.name, flag.ContinueOnError)}
	c.flags.SetOutput(io.Discard)
	if cmd.flags != nil {
		cmd.flags(c)
	}
	for {
		err := c.flags.Parse(args)
		switch {
		case errors.Is(err, flag.ErrHelp):
			c.help = true
			return c, nil
		case err != nil:
			return nil, c.usage("%s", c.flagError(err))
		}
		rest := c.flags.Args()
		if len(rest) == 0 {
			return c, nil
		}
		c.args = append(c.args, rest[0])
		args = rest[1:]
	}
}

func (c *call) usage(format string, args ...any) error {
	return &usageError{text: c.command.name + ": " + fmt.Sprintf(format, args...), command: c.command}
}

// flagError words an error of package flag, and names the flag that was meant.
func (c *call) flagError(err error) string {
	name, unknown := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !unknown {
		return err.Error()
	}
	var known []string
	c.flags.VisitAll(func(f *flag.Flag) { known = append(known, f.Name) })
	name = strings.TrimLeft(name, "-")
	if near := config.Nearest(name, known); near != "" {
		return fmt.Sprintf("unknown flag --%s; did you mean --%s?", name, near)
	}
	return fmt.Sprintf("unknown flag --%s", name)
}

// file returns the pipeline file that the call names, and the arguments after it, of which there are at least least and
// at most most.
func (c *call) file(least, most int) (string, []string, error) {
	if len(c.args) == 0 {
		return "", nil, c.usage("the pipeline file is missing")
	}
	rest := c.args[1:]
	switch {
	case len(rest) < least:
		return "", nil, c.usage("arguments are missing")
	case len(rest) > most:
		return "", nil, c.usage("unexpected argument %q", rest[most])
	}
	return c.args[0], rest, nil
}
