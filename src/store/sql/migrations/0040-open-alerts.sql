-- Whether somebody has seen an alert, beside the alert itself: an index finds those that are open. Its two indexes take long and are made
-- after the migrations.
alter table notification add column is_acknowledged boolean not null default false;
update notification n set is_acknowledged = true
from alert_acknowledgement a where a.notification_id = n.notification_id;
