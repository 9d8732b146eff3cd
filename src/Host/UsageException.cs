namespace Hearth.Host;

/// <summary>The arguments make no sense together; ends with exit code 2.</summary>
internal sealed class UsageException(string message) : Exception(message);
