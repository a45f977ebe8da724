from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('fulfillment', '0005_search'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='partnercall',
            name='one_call_of_a_kind',
        ),
        migrations.AlterField(
            model_name='partnercall',
            name='kind',
            field=models.CharField(choices=[('REQUEST', 'Deliver'), ('CANCEL', 'Cancel'), ('RESEND', 'Send again')], max_length=10),
        ),
        migrations.AddConstraint(
            model_name='partnercall',
            constraint=models.UniqueConstraint(models.F('fulfillment'), models.F('kind'), condition=models.Q(('kind', 'RESEND'), _negated=True), name='one_call_of_a_kind'),
        ),
    ]
