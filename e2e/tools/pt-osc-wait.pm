# A plugin of pt-online-schema-change that waits before it copies rows for as long as the file $PT_OSC_WAIT is there.
# --pause-file does the same, and looks once a minute.
package pt_online_schema_change_plugin;
use strict;
use warnings;

sub new { return bless {}, shift }

sub before_copy_rows {
   select undef, undef, undef, 0.1 while -e $ENV{PT_OSC_WAIT};
   return;
}

1;
