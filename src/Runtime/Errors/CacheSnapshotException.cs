namespace Hearth.Runtime;

/// <summary>A saved sequence cannot be restored: it is damaged, or was saved from another model.</summary>
public sealed class CacheSnapshotException : HearthException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">What was expected and what was found.</param>
    /// <param name="innerException">What caused it.</param>
    public CacheSnapshotException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
