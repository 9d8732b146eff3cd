namespace Hearth.Runtime.Tests.Templates;

/// <summary>The clock of the reference renderings: 2026-11-22 12:00:00, always.</summary>
internal sealed class FixedClock : TimeProvider
{
    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    public override DateTimeOffset GetUtcNow() => new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);
}
