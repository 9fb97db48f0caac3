package flags

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/spf13/cobra"

	"stasis/client"
)

// Call is what a command does at a coordinator.
type Call func(cmd *cobra.Command, c *client.Client, args []string) error

// Run makes a cobra function of a call. If there is no coordinator at the endpoint, the error
// says how to start one.
func (c *Coordinator) Run(call Call) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		cl, err := c.newClient()
		if err != nil {
			return err
		}
		return NoCoordinator(cl, call(cmd, cl, args))
	}
}

// NoCoordinator explains an error that means that nothing listens at the endpoint. Other
// errors stay as they are.
func NoCoordinator(c *client.Client, err error) error {
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return fmt.Errorf("no coordinator listens at %s (%w): start a cluster with \"stasis up\", or name a coordinator with --endpoint", c.URL(), err)
}
